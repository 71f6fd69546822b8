"""The table of cells: what each takes, and its scores with intervals."""

from __future__ import annotations

from collections.abc import Iterator

from ...report.markup import Markup, join, tag
from ...report.sections import section
from ...units import duration
from ..results import CellResult
from .summary import MetricSummary, Summary
from .tabular import cell_head, group_row, head, number, state_notes, table
from .words import MISSING, arrow, better, count_text, figure, flops_text, metric_label

_BUDGET = ("seeds", "parameters", "FLOPs", "samples", "time per run")


def cell_table(summary: Summary) -> Markup:
    """The main table, and one of every metric to unfold."""
    everything = tuple(summary.metrics.values())
    blocks = [_table(summary, summary.headline, "Cells with budgets and scores", budgets=True)]
    if len(everything) > len(summary.headline):
        unfolded = _table(summary, everything, "Cells with every metric", budgets=False)
        blocks.append(tag("details", tag("summary", f"All {len(everything)} metrics"), unfolded))
    return section("Cells", _lead(summary), *blocks)


def _lead(summary: Summary) -> str:
    lead = "The baseline first, then cells by the axis that made them."
    if any(metric.best for metric in summary.headline):
        lead += " Bold: every cell that the data cannot distinguish from the best one of its column."
    elif summary.metrics:
        lead += " Nothing is bold: there are too few seeds to tell cells from the best one."
    return f"{lead} “{MISSING}”: not trained or not evaluated."


def _table(summary: Summary, metrics: tuple[MetricSummary, ...], label: str, *, budgets: bool) -> Markup:
    heads = [head("cell", class_=None)]
    heads += [head(title) for title in (_BUDGET if budgets else _BUDGET[:1])]
    heads += [_metric_head(metric, primary=metric is summary.primary) for metric in metrics]
    bodies = []
    for title, cells in summary.groups:
        rows = [_row(summary, cell, metrics, budgets=budgets) for cell in cells]
        bodies.append(tag("tbody", group_row(title, len(heads)), join(rows)))
    return table(heads, bodies, label)


def _metric_head(metric: MetricSummary, *, primary: bool) -> Markup:
    chance = metric.facts.chance
    title = f"{metric.name}: {better(metric.facts)}{'' if chance is None else f'; chance {chance:g}'}"
    name = f"{metric_label(metric.name)} {arrow(metric.facts)}"
    return tag(
        "th",
        name,
        tag("span", "primary", class_="primary") if primary else None,
        scope="col",
        title=title,
        class_="number",
    )


def _row(summary: Summary, cell: CellResult, metrics: tuple[MetricSummary, ...], *, budgets: bool) -> Markup:
    entries = [cell_head(summary, cell, *state_notes(cell)), number(seeds_done(summary, cell))]
    if budgets:
        entries += [number(text) for text in _budget(cell)]
    entries += list(_scores(cell, metrics))
    unfinished = not any(run.state == "done" for run in cell.runs)
    return tag("tr", join(entries), class_="unfinished" if unfinished else None)


def seeds_done(summary: Summary, cell: CellResult) -> str:
    """Seeds that are done, and of how many where some are missing."""
    done, planned = sum(run.state == "done" for run in cell.runs), len(summary.results.planned_seeds)
    return str(done) if done >= planned else f"{done}/{planned}"


def _budget(cell: CellResult) -> list[str]:
    budget = cell.budget
    seconds = [run.seconds for run in cell.runs if run.state == "done" and run.seconds > 0]
    return [
        count_text(budget.parameters.get("total")),
        flops_text(budget.flops),
        count_text(budget.samples),
        duration(sum(seconds) / len(seconds)) if seconds else MISSING,
    ]


def _scores(cell: CellResult, metrics: tuple[MetricSummary, ...]) -> Iterator[Markup]:
    for metric in metrics:
        mean = metric.means.get(cell.name)
        if mean is None:
            yield number(MISSING, "missing")
            continue
        half = metric.half_widths.get(cell.name)
        interval = tag("span", f" ± {figure(half, metric.places)}", class_="half") if half is not None else None
        best = cell.name in metric.best
        seeds = ", ".join(
            f"seed {seed}: {figure(value, metric.places)}" for seed, value in metric.scores[cell.name].items()
        )
        shown = tag("strong", figure(mean, metric.places)) if best else figure(mean, metric.places)
        yield tag("td", shown, interval, class_="number", title=seeds)
