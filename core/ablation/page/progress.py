"""The table of runs of an unfinished study: cells in rows, seeds in columns, and how far each run has come."""

from __future__ import annotations

from ...report.markup import Markup, join, tag
from ...report.sections import section
from ..results import CellResult, RunResult
from .summary import Summary
from .tabular import cell_head, head, table
from .words import MISSING

_CLASSES = {"done": "verdict right", "failed": "state bad", "stopped": "state bad"}


def progress(summary: Summary) -> Markup | None:
    """The states of all runs; None where every run is done."""
    results = summary.results
    if all(run.state == "done" for cell in results.cells for run in cell.runs):
        return None
    heads = [head("cell", class_=None), *(head(f"seed {seed}", class_=None) for seed in summary.seeds)]
    rows = []
    for cell in summary.cells:
        runs = {run.seed: run for run in cell.runs}
        shown = [tag("td", _state(cell, runs[seed]) if seed in runs else MISSING) for seed in summary.seeds]
        rows.append(tag("tr", cell_head(summary, cell), join(shown)))
    planned = len(results.cells) * len(results.planned_seeds)
    lead = f"{results.done} of {planned} runs are done."
    return section("Runs", lead, table(heads, [tag("tbody", join(rows))], "States of runs", "study compact"))


def _state(cell: CellResult, run: RunResult) -> Markup:
    return tag("span", run_words(cell, run), class_=_CLASSES.get(run.state, "state open"), title=run.reason or None)


def run_words(cell: CellResult, run: RunResult) -> str:
    """The state of a run in a few words: that of a training run is its stage and step."""
    if run.state != "running" or run.reason:
        named = run.reason.startswith(run.state)
        return (run.reason if named else f"{run.state}: {run.reason}") if run.reason else run.state
    reached = [name for name, state in run.stages.items() if state == "trained"]
    if not run.curve:
        return reached[-1] if reached else "starting"
    last = run.curve[-1]
    return f"{last.stage} {last.step:,}/{cell.budget.stages[last.stage].steps:,}"
