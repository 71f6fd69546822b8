"""``janiform demo``: a page with everything that a model does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs
import click

from ..components.registry import registry
from ..evaluate.benchmarks import find_benchmark
from ..untrusted_text import storable
from .options import device_option
from .output import echo
from .outputs import ready_folder, write_new
from .progress import progress_shown


@click.command()
@click.argument("model", default="janus-mini")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder of the page."
)
@click.option(
    "--benchmark",
    help='Benchmark with the prompts, questions and scores, from "janiform components benchmark"; default: shapes.',
)
@click.option("--drawings", type=click.IntRange(1), default=16, show_default=True, help="Number of prompts to draw.")
@click.option("--answers", type=click.IntRange(0), default=24, show_default=True, help="Number of questions to ask.")
@click.option(
    "--steps", type=click.IntRange(0), default=40, show_default=True, help="Number of training steps; 0 for none."
)
@device_option
def command(model: str, out: Path, benchmark: str | None, drawings: int, answers: int, steps: int, device: str) -> None:
    """Draw, answer, measure and train briefly with MODEL (default: janus-mini), and write a page with the results.

    The page is a single HTML file without external files. An older page is kept, and the new one gets a number.
    """
    ready_folder(out)
    component = find_benchmark(benchmark)
    from ..inference.load import load
    from ..report import page_html
    from ..report.demo import Amounts, demo_page

    loaded = load(model, device=device)
    with progress_shown() as progress:
        page = demo_page(loaded, component, Amounts(drawings, answers, steps), progress)
    page = attrs.evolve(page, studies=_copied_studies(out))
    path = write_new(out, "index", "html", storable(page_html(page)).encode(), numbered=False)
    echo(f"The page is {path.resolve()}")


def _copied_studies(out: Path) -> tuple[tuple[str, str], ...]:
    """Copy the pages of finished studies, beside their files, to the demo; return (file name, description) of each."""
    copied = []
    for name, file in registry().studies().items():
        page = file.with_suffix(".html")
        if page.is_file():
            written = write_new(out, f"study-{name}", "html", page.read_bytes(), numbered=False)
            description = tomllib.loads(file.read_text(encoding="utf-8")).get("description", "")
            copied.append((written.name, str(description) or name))
    return tuple(copied)
