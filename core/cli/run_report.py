"""``janiform report``: a page about one run or several."""

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
    help="File of the page, replaced if it exists; default: RUN/report.html, or report.html for several runs.",
)
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write a page with the curves, samples, recipe and provenance of each RUN, a folder that `train` wrote.

    The page is a single HTML file without external files. Unfinished runs are shown up to their last step.
    """
    from ..report.report import write_report

    resolved = [run.resolve() for run in runs]
    if duplicates := [run for run, path in zip(runs, resolved, strict=True) if resolved.count(path) > 1]:
        raise UsageError(f"'{duplicates[0]}' is given twice")
    path = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    written = write_report(runs, path, note).resolve()
    echo(f"The page is {written}")
