"""The page of a study: ``study.html``, one file without scripts and without anything from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ...report.demo_page import document
from ...report.markup import Markup, tag
from ...report.sections import header
from ...storage.atomic import write_text
from ...units import duration
from ...untrusted_text import printable
from ..results import StudyResults
from .cells import cell_table
from .conclusion import conclude
from .controls import cell_switch, rules
from .curves import learning_curves
from .designs import budgets, changes
from .differences import differences
from .examples import example_seeds, examples
from .forest import forests
from .notices import notices
from .pareto import paretos
from .progress import progress
from .provenance import caption_section, provenance, study_text
from .slopes import slopes
from .summary import Summary, summarize
from .words import plural

PAGE = "study.html"


def write_page(results: StudyResults, folder: Path) -> Path:
    """Write the page into the study's folder, from which it takes pictures and items, and return its path.

    Raises ``StorageError``.
    """
    path = folder / PAGE
    write_text(path, page_html(results, folder))
    return path


def page_html(results: StudyResults, folder: Path) -> str:
    """The page as the text of one HTML file; ``folder`` holds pictures and items that the results name."""
    summary = summarize(results)
    charts = [cell_switch(summary), forests(summary), paretos(summary), learning_curves(summary), slopes(summary)]
    sections = [
        header(results.name, results.description, _facts(summary)),
        _conclusion(summary),
        progress(summary),
        cell_table(summary),
        differences(summary, folder),
        tag("div", *charts, class_="all-charts"),
        examples(summary, folder),
        changes(summary),
        budgets(summary),
        caption_section(summary),
        study_text(summary),
        provenance(summary),
    ]
    shown = [part for part in sections if part is not None]
    html = document(results.name, shown, "page.css", "report.css", css=_styles(summary))
    return printable(html, lines=True)  # names and answers may hold characters that reverse the text around them


def _styles(summary: Summary) -> str:
    sheet = files(__package__).joinpath("study.css").read_text("utf-8")
    return f"{sheet}\n{rules(summary, example_seeds(summary))}"


def _facts(summary: Summary) -> list[tuple[str, str]]:
    """The numbers below the title."""
    results = summary.results
    planned = len(results.cells) * len(results.planned_seeds)
    runs = [run for cell in results.cells for run in cell.runs]
    facts = [
        (str(len(results.cells)), "cells" if len(results.cells) > 1 else "cell"),
        (str(len(results.planned_seeds)), "seeds planned" if len(results.planned_seeds) > 1 else "seed planned"),
        (f"{results.done}/{planned}" if results.done < planned else str(results.done), "runs done"),
    ]
    if failed := sum(run.state == "failed" for run in runs):
        facts.append((str(failed), "failed"))
    if seconds := sum(run.seconds for run in runs if 0 < run.seconds < float("inf")):
        facts.append((duration(seconds), "of training and evaluation"))
    return facts


def _conclusion(summary: Summary) -> Markup:
    """What may be concluded, and what to know before."""
    sentences = [tag("p", sentence, class_="found") for sentence in conclude(summary)]
    found = notices(summary)
    shown = tag("ul", *(tag("li", text) for text in found[:12]), class_="warnings") if found else None
    rest = tag("p", f"{plural(len(found) - 12, 'more caution')}.", class_="note") if len(found) > 12 else None
    heading = tag("h2", "Conclusion")
    return tag("section", heading, *sentences, tag("h3", "Before you read on") if found else None, shown, rest)
