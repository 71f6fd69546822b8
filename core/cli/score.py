"""``janiform score``: score predictions that were made elsewhere."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from ..evaluate.benchmarks import build_benchmark, find_benchmark, settings_of
from ..evaluate.checked import CheckedBenchmark
from ..evaluate.score import score_predictions
from ..evaluate.selection import settings_of_each
from .output import json_option, print_json
from .progress import progress_shown
from .scores import (
    check_gate,
    check_paths,
    data_option,
    gate_option,
    is_compared,
    items_option,
    out_option,
    profile_option,
    read_gate,
    scores_json,
    settings_option,
    show,
    with_jackknife,
    write_files,
)


@click.command()
@click.argument("benchmark")
@click.argument("predictions", type=click.Path(path_type=Path))
@data_option
@profile_option
@settings_option
@click.option("--name", help="Name of the model that made the predictions, for the page; default: that of the file.")
@click.option("--allow-missing", is_flag=True, help="Count items without a prediction as wrong, instead of failing.")
@click.option(
    "--official",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the predictions to this folder as the official scorer reads them.",
)
@out_option
@items_option
@gate_option
@json_option
def command(
    benchmark: str,
    predictions: Path,
    data: Path | None,
    profile: str | None,
    settings: tuple[str, ...],
    name: str | None,
    allow_missing: bool,
    official: Path | None,
    out: Path | None,
    items: Path | None,
    gate: Path | None,
    as_json: bool,
) -> None:
    """Score PREDICTIONS, made elsewhere, with BENCHMARK.

    PREDICTIONS is a file of answers or a folder of pictures, in a format that the benchmark reads: mostly that of its
    official scorer, of VLMEvalKit and of LLaVA; or the items.jsonl of an evaluation. They are joined with the data by
    keys, never by position.
    """
    component = find_benchmark(benchmark)
    (values,) = settings_of_each([component], settings_of(settings), data, profile)
    built = build_benchmark(component, values)
    check_paths({"--out": out, "--items": items, "--official": official})
    earlier = read_gate(gate, [component.name])
    with progress_shown() as progress:
        result = score_predictions(
            component.name,
            CheckedBenchmark(built),
            predictions,
            progress,
            allow_missing=allow_missing,
            official=official,
        )
    title = name or predictions.stem
    facts = {"benchmark": component.reference, "model": title, **result.settings}
    result = attrs.evolve(result, settings=facts)
    results = {component.name: with_jackknife(result, built) if is_compared(out, gate) else result}
    write_files(results, out, items, title)
    if as_json:
        print_json(scores_json(results))
    else:
        show(results, out)
    if earlier:
        check_gate(earlier, results, {component.name: built}, quiet=as_json)
