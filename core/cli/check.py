"""``janiform check``: whether the parts of recipes fit together, and what the models cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import CompositionError, JaniformError, Problem
from ..recipe import SourceGroup
from ..recipe.paths import is_folder
from .options import overrides_option
from .output import console, json_option, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..measure.costs import PartCosts
    from ..measure.examine import Examination
    from ..storage.contents import ModelContents


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE|DIR...")
@overrides_option
@json_option
def command(recipes: tuple[str, ...], overrides: tuple[str, ...], as_json: bool) -> int:
    """Compose recipes, by name or file, without weights: show parts, shapes and costs, or all problems.

    For DIR, a model directory of any format or a run, the recipe that its files describe is composed, and the names,
    shapes and types of all tensors are compared with it. No weights are read.

    The directories in [start] are compared as well.

    The exit code is 0 if everything fits, and 1 otherwise.
    """
    from ..measure.examine import examine
    from ..storage.contents import contents, recipe_of
    from ..train.run.start_checks import compared

    reports: list[dict[str, Any]] = []
    errors: list[JaniformError] = []
    for name in recipes:
        try:
            recipe, folder = recipe_of(name, overrides)
            examination = examine(recipe)
            stored = None if folder is None else contents(folder, examination.plan, examination.modules)
            if recipe.start and not is_folder(Path(name)):  # a run, or its model, is past its start
                compared(examination.plan, examination.modules, recipe.start)
        except JaniformError as error:
            errors.append(error)
            reports.append({"recipe": name, "fits": False, "problems": [_plain(one) for one in error.problems]})
            continue
        reports.append({"recipe": name, "fits": True, "problems": [], **_facts(examination), **_weights(stored)})
        if not as_json:
            _show(examination, stored, console())
    if as_json:
        print_json({"recipes": reports})
    elif errors:
        # A single recipe's error has its own exit code; the problems of several are reported together.
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


def _facts(examination: Examination) -> dict[str, Any]:
    plan = examination.plan
    return {
        "name": plan.recipe.name,
        "components": {path: part.use.component.reference for path, part in plan.parts.items()},
        "shared": plan.shared,
        "edges": [{"from": edge.from_path, "to": edge.to_path, "port": str(edge.port)} for edge in plan.edges],
        "costs": examination.costs.as_dict(),
        "trained": dict(examination.trained),
    }


def _weights(stored: ModelContents | None) -> dict[str, Any]:
    if stored is None:
        return {}
    files = [str(file) for file in stored.files]
    return {"weights": {**attrs.asdict(stored), "files": files}}


def _show(examination: Examination, stored: ModelContents | None, out: Console) -> None:
    from rich.text import Text

    recipe = examination.plan.recipe
    out.print(Text.assemble((recipe.name, "bold"), " fits", (f"  {recipe.description}", "dim")))
    _show_parts(examination, out)
    _show_costs(examination, stored, out)
    if recipe.stages:
        _show_stages(examination, out)


def _show_parts(examination: Examination, out: Console) -> None:
    from rich.text import Text

    from .. import units

    plan, costs = examination.plan, examination.costs
    parts = table("Part", "Component", "Parameters")
    parts.columns[2].justify = "right"
    for path, part in plan.parts.items():
        if part.owner is not None:
            parts.add_row(Text(path, style="cyan"), Text(f"shared: {part.owner}", style="dim"), "")
        else:
            parts.add_row(Text(path, style="cyan"), part.use.component.reference, _size(costs.parts.get(path)))
    parts.add_section()
    parts.add_row("", "", Text(units.count(costs.parameters), style="bold"))
    out.print(parts)

    edges = table("From", "To", "Data")
    for edge in plan.edges:
        edges.add_row(Text(edge.from_path, style="cyan"), Text(edge.to_path, style="cyan"), str(edge.port))
    out.print(edges)


def _size(part: PartCosts | None) -> str:
    from ..units import count

    if part is None:
        return "—"
    active = "" if part.active is None else f", {count(part.active)} active"
    return count(part.parameters) + active


def _show_costs(examination: Examination, stored: ModelContents | None, out: Console) -> None:
    from ..units import size, work

    costs = examination.costs
    rows = table("Cost", "")
    rows.show_header = False
    rows.add_row("weights", f"{size(costs.weight_bytes('bf16'))} in bf16, {size(costs.weight_bytes('fp32'))} in fp32")
    per_token = costs.kv_bytes(1) - costs.state_bytes
    cached = (
        f"{size(per_token)} per token, {size(costs.kv_bytes())} for a sequence of {costs.context} positions, in bf16"
    )
    if costs.state_bytes:
        state = f"{size(costs.state_bytes)} of states per sequence in fp32"
        cached = f"{cached}, with {state}" if per_token else f"{state}, whatever its length"
    rows.add_row("KV cache" if per_token else "cache", cached)
    rows.add_row("text token", f"{work(costs.text_token)}, and {work(costs.attention)} for each position before it")
    for name, pathway in costs.pathways.items():
        height, width = pathway.pixels
        line = f"{pathway.tokens} tokens per picture of {height}×{width}"
        if pathway.look is not None:
            line += f", {work(pathway.look)} to look at it"
            line += f"; large pictures are cut into at most {pathway.tiles}" if pathway.tiles > 1 else ""
        if pathway.decode is not None:
            unit = "code" if examination.plan.pathways[name].latents is None else "place"
            per = "" if pathway.code is None else f", {work(pathway.code)} per {unit}"
            per = per if pathway.step is None else f", {work(pathway.step)} per step"
            decode = f"{work(pathway.decode)} to decode a picture" if pathway.decode else "no decoder of pixels"
            line += f"{per}, {decode}"
        rows.add_row(name, line)
    if stored is not None:
        kinds = ", ".join(f"{size(count)} of {kind}" for kind, count in stored.stored.items())
        files = stored.files[0].name if len(stored.files) == 1 else f"{len(stored.files)} files"
        rows.add_row("stored", f"{stored.tensors} tensors in {files}, {kinds}; the format is {stored.layout}")
        for reason in dict.fromkeys(stored.left_out.values()):
            first, *others = (name for name, why in stored.left_out.items() if why == reason)
            more = f" and {len(others)} others" if others else ""
            rows.add_row("not read", f"{first}{more}: {reason}")
    out.print(rows)


def _show_stages(examination: Examination, out: Console) -> None:
    from rich.text import Text

    from ..units import count

    recipe = examination.plan.recipe
    rows = table("Stage", "Trains", "Parameters", "Mixture", "Steps × batch")
    rows.columns[1].no_wrap = True
    rows.columns[2].justify = "right"
    for name in recipe.training.stages or recipe.stages:
        stage = recipe.stages[name]
        mixture = _mixture(stage.mixture)
        lora = [] if stage.lora is None else [f"{path} (rank {stage.lora.rank})" for path in stage.lora.on]
        rows.add_row(
            Text(name, style="cyan"),
            "\n".join((*stage.train, *lora)),
            count(examination.trained[name]),
            mixture,
            f"{stage.steps} × {stage.batch}",
        )
    out.print(rows)


def _mixture(mixture: Mapping[str, float | SourceGroup]) -> str:
    return ", ".join(
        f"{name} {item.ratio:g} ({_mixture(item.of)})" if isinstance(item, SourceGroup) else f"{name} {item:g}"
        for name, item in mixture.items()
    )
