"""``janiform demo``: everything that a model does, on one page."""

from __future__ import annotations

from pathlib import Path

import click

from ..evaluate.benchmarks import find_benchmark
from .options import device_option
from .outputs import ready_folder, write_new
from .progress import progress_shown


@click.command()
@click.argument("model", default="janus-mini")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder for the page."
)
@click.option("--benchmark", help="Whose prompts, questions and scores are shown; the only one that is installed.")
@click.option("--drawings", type=click.IntRange(1), default=16, show_default=True, help="Prompts to draw.")
@click.option("--answers", type=click.IntRange(0), default=24, show_default=True, help="Questions to ask.")
@click.option("--steps", type=click.IntRange(0), default=40, show_default=True, help="Training steps; 0 for none.")
@device_option
def command(model: str, out: Path, benchmark: str | None, drawings: int, answers: int, steps: int, device: str) -> None:
    """Draw, answer, measure and train a little with MODEL (janus-mini), and show it all on one page.

    The page is one HTML file that needs no other and no network. A page that is there already is kept: the new one is
    numbered on.
    """
    ready_folder(out)
    component = find_benchmark(benchmark)
    from ..inference.api import load
    from ..report import page_html
    from ..report.demo import Amounts, demo_page

    loaded = load(model, device=device)
    with progress_shown() as progress:
        page = demo_page(loaded, component, Amounts(drawings, answers, steps), progress)
    path = write_new(out, "index", "html", page_html(page).encode(), numbered=False)
    click.echo(f"The page is {path.resolve()}")
