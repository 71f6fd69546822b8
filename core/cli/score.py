"""``janiform score``: score predictions that were made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..evaluate.benchmarks import build_benchmark, find_benchmark
from ..evaluate.checked import CheckedBenchmark
from ..evaluate.score import score_predictions
from .measuring import ResultOptions, benchmark_options, result_options
from .output import echo
from .progress import progress_shown

if TYPE_CHECKING:
    from ..components import Component


@click.command()
@click.argument("benchmark")
@click.argument("predictions", type=click.Path(path_type=Path))
@benchmark_options
@click.option("--name", help="Name of the model that made the predictions, for the page; default: that of the file.")
@click.option("--allow-missing", is_flag=True, help="Count items without a prediction as wrong, instead of failing.")
@click.option(
    "--allow-failures", is_flag=True, help="Score the rest where a judge fails for some outputs, instead of failing."
)
@click.option(
    "--official",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the predictions to this folder as the official scorer reads them.",
)
@result_options
def command(
    benchmark: str,
    predictions: Path,
    settings_for: Callable[[Sequence[Component]], Sequence[Mapping[str, Any]]],
    name: str | None,
    allow_missing: bool,
    allow_failures: bool,
    official: Path | None,
    written: ResultOptions,
) -> None:
    """Score PREDICTIONS, made elsewhere, with BENCHMARK.

    PREDICTIONS is a file of answers or a folder of pictures, in a format that the benchmark reads: mostly that of its
    official scorer, of VLMEvalKit and of LLaVA; or the items.jsonl of an evaluation. They are joined with the data by
    keys, never by position.
    """
    component = find_benchmark(benchmark)
    built = build_benchmark(component, *settings_for([component]))
    earlier = written.check([component.name], official=official)
    with progress_shown() as progress:
        result = score_predictions(
            component.name,
            CheckedBenchmark(built),
            predictions,
            progress,
            allow_missing=allow_missing,
            allow_failures=allow_failures,
            official=official,
        )
    title = name or predictions.stem
    facts = {"benchmark": component.reference, "model": title, **result.settings}
    results = {component.name: written.prepared(attrs.evolve(result, settings=facts), built)}
    written.write(results, title)
    written.show(results)
    if not written.as_json and (missing := result.settings.get("missing_predictions")):
        echo(f"{missing} items have no prediction, and count as wrong")
    written.compare(earlier, results, {component.name: built})
