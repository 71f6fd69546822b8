"""``janiform report``: a page about one run or several, or about evaluations."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError
from .output import echo
from .report import note


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the page, replaced if it exists; default: report.html in RUN, index.html in an evaluation's folder; "
    "for several, report.html.",
)
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write a page with the curves, samples, recipe and provenance of each RUN, a folder that `train` wrote.

    Or with the scores, their differences and examples of each RUN, a folder that `eval` or `score` wrote; the first is
    what the others are compared with.

    The page is a single HTML file without external files. Unfinished runs are shown up to their last step.
    """
    from ..evaluate.results import holds_results
    from ..report.report import write_report

    resolved = [run.resolve() for run in runs]
    if duplicates := [run for run, path in zip(runs, resolved, strict=True) if resolved.count(path) > 1]:
        raise UsageError(f"'{duplicates[0]}' is given twice")
    evaluations = [run for run in runs if holds_results(run)]
    if evaluations:
        if rest := [run for run in runs if run not in evaluations]:
            raise UsageError(f"'{evaluations[0]}' has the scores of an evaluation, and '{rest[0]}' has none")
        from ..report.evaluation.page import write_evaluation_page

        echo(f"The page is {write_evaluation_page(runs, out).resolve()}")
        return
    path = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    written = write_report(runs, path, note).resolve()
    echo(f"The page is {written}")
