"""``janiform report``: one page about runs."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page; RUN/report.html, or report.html here for several runs. One that is there is replaced.",
)
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Curves, samples, recipe and provenance of each RUN, the folder of a training, laid over each other on one page.

    The page is one HTML file that needs no other and no network. Runs that are going on are shown as far as they came.
    """
    from ..report.report import write_report

    resolved = [run.resolve() for run in runs]
    if twice := [run for run, whole in zip(runs, resolved, strict=True) if resolved.count(whole) > 1]:
        raise UsageError(f"'{twice[0]}' is named twice")
    path = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    click.echo(f"The page is {write_report(runs, path).resolve()}")
