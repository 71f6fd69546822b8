"""``janiform eval``: measure a model with a benchmark."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import Problem, UsageError
from ..evaluate.benchmarks import build_benchmark, find_benchmark, groups_of, settings_of
from .options import load_options, opened
from .output import console, json_option, print_json, table
from .progress import progress_shown


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
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write the scores as JSON to this file."
)
@click.option("--record", is_flag=True, help="Also write the scores to the model's model.json.")
@load_options
@json_option
def command(
    model: str,
    benchmark: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    record: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Measure MODEL with BENCHMARK (default: shapes).

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. "janiform components
    benchmark" lists the installed benchmarks with their settings; name another one after MODEL.
    """
    component = find_benchmark(benchmark)
    measure = build_benchmark(component, settings_of(settings))
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out: the folder '{out.parent}' does not exist")
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
    began = time.perf_counter()
    with progress_shown() as progress:
        scores = dict(measure.run(loaded, progress))
    scores["settings"] = {
        "benchmark": component.reference,
        "model": loaded.name,
        "weights_sha256": loaded.digest,
        "device": str(loaded.model.device),
        "quantize": loaded.quantize or "",
        "attention": loaded.attention.name,
        "seconds": round(time.perf_counter() - began, 1),
        **scores.get("settings", {}),
    }
    if out is not None:
        from ..storage.json_files import write_json

        write_json(out, scores)
    if record:
        _record(model, component.name, scores)
    if as_json:
        print_json(scores)
    else:
        show_scores(scores)


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


def _record(model: str, benchmark: str, scores: Mapping[str, Any]) -> None:
    from ..storage.json_files import write_json
    from ..storage.locate import model_folder
    from ..storage.model_json import about

    folder = model_folder(model)
    facts = about(folder)
    facts["scores"] = {**(facts.get("scores") or {}), benchmark: scores}
    write_json(folder / "model.json", facts)


def show_scores(scores: Mapping[str, Any]) -> None:
    """Print the scores as a table, with the settings below."""
    rows = table("", "Score", "Of")
    rows.columns[1].justify = rows.columns[2].justify = "right"
    for group, members in groups_of(scores).items():
        rows.add_row(group.replace("_", " "), "", "", style="bold")
        for name, (score, count) in members.items():
            rows.add_row("  " + name.replace("_", " "), f"{score:.3f}", str(count or ""))
        rows.add_section()
    out = console()
    out.print(rows)
    facts = ", ".join(f"{name} {value}" for name, value in scores.get("settings", {}).items() if value != "")
    out.print(facts, style="dim", soft_wrap=True)
