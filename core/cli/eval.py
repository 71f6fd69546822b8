"""``janiform eval``: measure a model with a benchmark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import Problem, UsageError
from ..evaluate.benchmarks import build_benchmark, find_benchmark, settings_of
from .options import load_options, opened
from .output import console, json_option, print_json, table
from .progress import progress_shown

if TYPE_CHECKING:
    from ..contracts import Score
    from ..evaluate.runner import Evaluation

_WRITTEN = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("model")
@click.argument("benchmark", required=False)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Setting of the benchmark, as TOML; may be repeated.",
)
@click.option("--out", type=_WRITTEN, help="Also write the scores as JSON to this file.")
@click.option(
    "--items", type=_WRITTEN, help="Also write the value of each item to this file, one JSON object per line."
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the drawings to this folder; items then name their files.",
)
@click.option("--record", is_flag=True, help="Also write the scores to the model's model.json.")
@load_options
@json_option
def command(
    model: str,
    benchmark: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    items: Path | None,
    pictures: Path | None,
    record: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Measure MODEL with BENCHMARK (default: shapes).

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. "janiform components
    benchmark" lists the installed benchmarks with their settings; name another one after MODEL.
    """
    component = find_benchmark(benchmark)
    built = build_benchmark(component, settings_of(settings))
    for option, path in {"--out": out, "--items": items, "--pictures": pictures}.items():
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{option}: the folder '{path.parent}' does not exist")
    if record and how["quantize"]:
        raise UsageError(
            Problem(
                "--record needs the weights without --quantize",
                hint="leave out --record",
            )
        )
    if record:
        _check_recordable(model)
    loaded = opened(model, **how)

    from ..evaluate.records import evaluation_json, write_items
    from ..evaluate.runner import evaluate

    with progress_shown() as progress:
        evaluation = evaluate(loaded, built, progress, pictures=pictures)
    evaluation = attrs.evolve(evaluation, settings={"benchmark": component.reference, **evaluation.settings})
    result = evaluation_json(evaluation)
    if items is not None:
        write_items(items, evaluation.items)
    if out is not None:
        from ..storage.json_files import write_json

        write_json(out, result)
    if record:
        _record(model, component.name, result)
    if as_json:
        print_json(result)
    else:
        _show(evaluation)


def _check_recordable(model: str) -> None:
    """Raise ``UsageError`` where scores cannot be written into the folder of a model, before they are measured."""
    from ..storage.hub import in_snapshot
    from ..storage.locate import model_folder

    folder = model_folder(model)
    if in_snapshot(folder):
        reason = "is a snapshot in the cache of the Hugging Face hub, which other programs share"
    elif not os.access(folder, os.W_OK):
        reason = "cannot be written to"
    else:
        return
    hint = "write the scores to a file with --out scores.json"
    raise UsageError(Problem(f"--record writes into the model's folder, but {folder} {reason}", hint=hint))


def _record(model: str, benchmark: str, result: Mapping[str, Any]) -> None:
    from ..storage.json_files import write_json
    from ..storage.locate import model_folder
    from ..storage.model_json import about

    folder = model_folder(model)
    facts = about(folder)
    facts["scores"] = {**(facts.get("scores") or {}), benchmark: result}
    write_json(folder / "model.json", facts)


def _show(evaluation: Evaluation) -> None:
    """Print the scores as a table; below it those at chance or at the floor, and the settings."""
    from ..evaluate.runner import uninformative

    rows = table("", "Score", "95 % interval", "Items")
    for column in rows.columns[1:]:
        column.justify = "right"
    for group, names in groupby(evaluation.scores, key=lambda name: name.rpartition(".")[0]):
        rows.add_row(group.replace("_", " "), "", "", "", style="bold")
        for name in names:
            score, arrow = evaluation.scores[name], "↓" if evaluation.metrics[name].direction == "down" else ""
            label = name.rpartition(".")[2].replace("_", " ")
            rows.add_row(f"  {label} {arrow}", f"{score.value:.3f}", _interval(score), str(score.count))
        rows.add_section()
    out = console()
    out.print(rows)
    levels = {name: uninformative(score, evaluation.metrics[name]) for name, score in evaluation.scores.items()}
    for level, what in {"chance": "random answers", "floor": "zero"}.items():
        if listed := ", ".join(name for name in levels if levels[name] == level):
            out.print(f"Not distinguishable from {what}: {listed}", soft_wrap=True)
    facts = ", ".join(f"{name} {value}" for name, value in evaluation.settings.items() if value != "")
    out.print(facts, style="dim", soft_wrap=True)


def _interval(score: Score) -> str:
    return "" if score.low is None or score.high is None else f"{score.low:.3f} – {score.high:.3f}"
