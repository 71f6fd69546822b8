"""``janiform check``: do the parts of recipes fit together, and what would the models cost?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import CompositionError, JaniformError, Problem
from ..recipe import Group
from .options import overrides_option
from .output import console, json_option, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..measure.examine import Examination
    from ..storage.contents import ModelContents


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE|DIR...")
@overrides_option
@json_option
def command(recipes: tuple[str, ...], overrides: tuple[str, ...], as_json: bool) -> int:
    """Compose recipes, by name or file, without making weights: parts, shapes and costs, or everything that is wrong.

    Of DIR, a directory with a model of any layout, the recipe is composed that its files describe, and the tensors are
    compared with it by their names, shapes and types: what is missing, surplus or of another shape is all listed. No
    weight is read. DIR may also be a run that is not finished.

    So are the directories that [start] names: that they are there, hold the parts, and tensors that fit.

    Exits with 0 where all of them fit, and with 1 where one does not.
    """
    from ..measure.examine import examine
    from ..storage.contents import contents, recipe_of
    from ..train.run.start_checks import compared

    reports: list[dict[str, Any]] = []
    errors: list[JaniformError] = []
    for name in recipes:
        try:
            recipe, folder = recipe_of(name, overrides)
            found = examine(recipe)
            held = None if folder is None else contents(folder, found.plan, found.modules)
            if recipe.start and not Path(name).is_dir():  # a run, or the model that it ends with, has begun already
                compared(found.plan, found.modules, recipe.start)
        except JaniformError as error:
            errors.append(error)
            reports.append({"recipe": name, "fits": False, "problems": [_plain(one) for one in error.problems]})
            continue
        reports.append({"recipe": name, "fits": True, "problems": [], **_facts(found), **_stored(held)})
        if not as_json:
            _show(found, held, console())
    if as_json:
        print_json({"recipes": reports})
    elif errors:
        # One recipe's own error knows its exit code best; of several, all problems belong in one report.
        problems = [problem for error in errors for problem in error.problems]
        raise errors[0] if len(recipes) == 1 else CompositionError(problems)
    return 1 if errors else 0


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "path": problem.path,
        "file": problem.origin.source if problem.origin else None,
        "line": problem.origin.line if problem.origin else None,
        "hint": problem.hint,
    }


def _facts(found: Examination) -> dict[str, Any]:
    plan = found.plan
    return {
        "name": plan.recipe.name,
        "components": {path: part.use.component.reference for path, part in plan.parts.items()},
        "shared": plan.shared,
        "edges": [{"from": edge.from_path, "to": edge.to_path, "port": str(edge.port)} for edge in plan.edges],
        "costs": found.costs.as_dict(),
        "trained": dict(found.trained),
    }


def _stored(held: ModelContents | None) -> dict[str, Any]:
    if held is None:
        return {}
    files = [str(file) for file in held.files]
    return {"weights": {**attrs.asdict(held), "files": files}}


def _show(found: Examination, held: ModelContents | None, out: Console) -> None:
    from rich.text import Text

    recipe = found.plan.recipe
    out.print(Text.assemble((recipe.name, "bold"), " fits", (f"  {recipe.description}", "dim")))
    _show_parts(found, out)
    _show_costs(found, held, out)
    if recipe.stages:
        _show_stages(found, out)


def _show_parts(found: Examination, out: Console) -> None:
    from rich.text import Text

    from .. import units

    plan, costs = found.plan, found.costs
    parts = table("Part", "Component", "Parameters")
    parts.columns[2].justify = "right"
    for path, part in plan.parts.items():
        if part.owner is not None:
            parts.add_row(Text(path, style="cyan"), Text(f"shared: {part.owner}", style="dim"), "")
        else:
            size = units.count(costs.parts[path].parameters) if path in costs.parts else "—"
            parts.add_row(Text(path, style="cyan"), part.use.component.reference, size)
    parts.add_section()
    parts.add_row("", "", Text(units.count(costs.parameters), style="bold"))
    out.print(parts)

    edges = table("From", "To", "What flows")
    for edge in plan.edges:
        edges.add_row(Text(edge.from_path, style="cyan"), Text(edge.to_path, style="cyan"), str(edge.port))
    out.print(edges)


def _show_costs(found: Examination, held: ModelContents | None, out: Console) -> None:
    from ..units import size, work

    costs = found.costs
    rows = table("Cost", "")
    rows.show_header = False
    rows.add_row("weights", f"{size(costs.weight_bytes('bf16'))} in bf16, {size(costs.weight_bytes('fp32'))} in fp32")
    rows.add_row(
        "KV cache",
        f"{size(costs.kv_bytes(1))} a token, {size(costs.kv_bytes())} a sequence of {costs.context} positions, in bf16",
    )
    rows.add_row("text token", f"{work(costs.text_token)}, and {work(costs.attention)} for every position before it")
    for name, pathway in costs.pathways.items():
        height, width = pathway.pixels
        said = f"{pathway.tokens} tokens a picture of {height}×{width}"
        if pathway.look is not None:
            said += f", {work(pathway.look)} to look at it"
            said += f"; large ones are cut into at most {pathway.tiles} such" if pathway.tiles > 1 else ""
        if pathway.code is not None and pathway.decode is not None:
            said += f", {work(pathway.code)} a code, {work(pathway.decode)} to decode them"
        rows.add_row(name, said)
    if held is not None:
        kinds = ", ".join(f"{size(count)} of {kind}" for kind, count in held.stored.items())
        files = held.files[0].name if len(held.files) == 1 else f"{len(held.files)} files"
        rows.add_row("stored", f"{held.tensors} tensors in {files}, {kinds}; the layout is {held.layout}")
        for reason in dict.fromkeys(held.left_out.values()):
            first, *others = (name for name, why in held.left_out.items() if why == reason)
            more = f" and {len(others)} others" if others else ""
            rows.add_row("not read", f"{first}{more}: {reason}")
    out.print(rows)


def _show_stages(found: Examination, out: Console) -> None:
    from rich.text import Text

    from ..units import count

    recipe = found.plan.recipe
    rows = table("Stage", "Trains", "Parameters", "Mixture", "Steps × batch")
    rows.columns[1].no_wrap = True
    rows.columns[2].justify = "right"
    for name in recipe.training.stages or recipe.stages:
        stage = recipe.stages[name]
        mixture = _mixture(stage.mixture)
        low = [] if stage.lora is None else [f"{path} (rank {stage.lora.rank})" for path in stage.lora.on]
        rows.add_row(
            Text(name, style="cyan"),
            "\n".join((*stage.train, *low)),
            count(found.trained[name]),
            mixture,
            f"{stage.steps} × {stage.batch}",
        )
    out.print(rows)


def _mixture(mixture: Mapping[str, float | Group]) -> str:
    return ", ".join(
        f"{name} {item.ratio:g} ({_mixture(item.of)})" if isinstance(item, Group) else f"{name} {item:g}"
        for name, item in mixture.items()
    )
