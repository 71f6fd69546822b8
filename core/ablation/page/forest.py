"""Forest plots: a panel per metric, with a row per cell: its seeds as dots, its mean, and an interval."""

from __future__ import annotations

from ...report.chart import Frame
from ...report.markup import Markup, join, tag
from ...report.sections import section
from ..results import CellResult
from .plot import Axis, amounts, dot, drawing, grid, linear, segment
from .summary import MetricSummary, Summary
from .words import arrow, better, figure, metric_label, shortened, usable

_ROW = 20.0
_LETTERS = 22
_LETTER = 6.5


def forests(summary: Summary) -> Markup | None:
    """A panel for each metric of the main table, and for all others by group to unfold."""
    if not summary.metrics:
        return None
    main = [_panel(summary, metric) for metric in summary.headline]
    blocks = [tag("div", join(main), class_="charts wide-charts")]
    for title, names in summary.metric_groups.items():
        rest = [summary.metrics[name] for name in names if summary.metrics[name] not in summary.headline]
        if rest:
            panels = tag("div", join([_panel(summary, metric) for metric in rest]), class_="charts wide-charts")
            text = f"{title}: {len(rest)} more metric{'s' * (len(rest) > 1)}, exploratory"
            blocks.append(tag("details", tag("summary", text), panels))
    lead = "Small dots: seeds. Large dot: their mean. Dashed line: the mean of the baseline."
    if any(metric.judged for metric in summary.metrics.values()):
        lead += (
            " Bar: 95 % interval of the difference to the baseline; a bar that crosses the dashed line does not "
            "distinguish its cell from the baseline."
        )
    return section("Scores by seed", lead, *blocks)


def _panel(summary: Summary, metric: MetricSummary) -> Markup:
    names = {cell.name: shortened(cell.name, _LETTERS) for cell in summary.cells}
    left = 18 + _LETTER * max(map(len, names.values()))
    frame = Frame(420.0, 38 + _ROW * len(names), left, 14.0, 6.0, 30.0)
    axis = (amounts if metric.facts.direction == "down" else linear)(_extent(summary, metric))
    base = metric.means.get(summary.results.baseline)
    parts = [grid(frame, axis)]
    if base is not None and usable(base):
        x = frame.at(axis.share(base), 0)[0]
        parts.append(segment((x, frame.top), (x, frame.base), "baseline-line"))
    chance = metric.facts.chance
    if chance is not None and usable(chance) and axis.low <= chance <= axis.high:
        x = frame.at(axis.share(chance), 0)[0]
        parts.append(
            tag("g", tag("title", f"chance {chance:g}"), segment((x, frame.top), (x, frame.base), "mark-line"))
        )
    for row, cell in enumerate(summary.cells):
        parts.append(_row(summary, metric, cell, names[cell.name], frame, axis, frame.top + _ROW * (row + 0.5)))
    svg = drawing(frame, _description(summary, metric), parts, "chart forest")
    title = f"{metric_label(metric.name)} {arrow(metric.facts)}"
    note = better(metric.facts) if chance is None else f"{better(metric.facts)}, chance {chance:g}"
    caption = tag("figcaption", tag("span", title, class_="title"), tag("span", note, class_="soft"))
    return tag("figure", caption, svg, class_="small")


def _extent(summary: Summary, metric: MetricSummary) -> list[float]:
    """The values that the axis of a panel shows; chance where it is not far away."""
    values = [value for value in metric.values if usable(value)]
    base = metric.means.get(summary.results.baseline)
    for one in metric.comparisons.values():
        if one.estimate is not None and base is not None:
            values += [base + one.estimate.low, base + one.estimate.high]
    values = [value for value in values if usable(value)]
    chance = metric.facts.chance
    if values and chance is not None and usable(chance):
        span = max(values) - min(values)
        if min(values) - span <= chance <= max(values) + span:
            values.append(chance)
    return values


def _row(
    summary: Summary, metric: MetricSummary, cell: CellResult, label: str, frame: Frame, axis: Axis, y: float
) -> Markup:
    number = summary.number(cell.name)
    text = tag("text", tag("title", cell.name), label, x=frame.left - 10, y=y + 4, class_="row", text_anchor="end")
    scores = {seed: value for seed, value in metric.scores.get(cell.name, {}).items() if usable(value)}
    parts = [text]
    if not scores:
        parts.append(tag("text", _reason(cell), x=frame.left + 6, y=y + 4, class_="tick"))
        return tag("g", *parts, data_cell=number)
    one, base = metric.comparisons.get(cell.name), metric.means.get(summary.results.baseline)
    if one is not None and one.estimate is not None and base is not None:
        ends = [frame.at(axis.share(base + end), 0)[0] for end in (one.estimate.low, one.estimate.high)]
        parts.append(segment((ends[0], y), (ends[1], y), "interval"))
    for seed, value in scores.items():
        offset = 2.2 * (summary.seeds.index(seed) % 5 - 2)
        title = f"{cell.name}, seed {seed}: {figure(value, metric.places)}"
        parts.append(dot((frame.at(axis.share(value), 0)[0], y + offset), 2.6, title, "seed"))
    mean = metric.means[cell.name]
    if len(scores) > 1 and usable(mean):
        title = f"{cell.name}, mean of {len(scores)} seeds: {figure(mean, metric.places)}"
        parts.append(dot((frame.at(axis.share(mean), 0)[0], y), 4.6, title, "mean"))
    return tag("g", *parts, data_cell=number)


def _reason(cell: CellResult) -> str:
    """Why a row is empty."""
    if any(run.state == "done" for run in cell.runs):
        return "not measured"
    return ", ".join(dict.fromkeys(run.state for run in cell.runs)) or "no run"


def _description(summary: Summary, metric: MetricSummary) -> str:
    means = [f"{cell.name} {figure(metric.means[cell.name], metric.places)}" for cell in summary.cells
             if cell.name in metric.means]  # fmt: skip
    return f"{metric_label(metric.name)} by cell. Means: {'; '.join(means)}"
