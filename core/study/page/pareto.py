"""Pareto plots: one metric against another, and the primary metric against training FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...report.chart import Frame
from ...report.markup import Markup, join, tag
from ...report.sections import section
from ...units import count
from ..statistics import Scores, dominated_cells
from .plot import Axis, amounts, dot, drawable, drawing, grid, linear, placed_labels, segment
from .summary import MetricSummary, Summary
from .words import arrow, figure, metric_label, shortened

_FRAME = Frame(420.0, 320.0, 52.0, 16.0, 12.0, 46.0)
_LETTERS = 18
_MOST_NAMES = 10
"""Cells up to this number are labelled with their names, more with their numbers."""


def paretos(summary: Summary) -> Markup | None:
    """Plots of two metrics, and of a metric against FLOPs; None where there is nothing to set against each other."""
    charts = [_two_metrics(summary), _against_flops(summary)]
    shown = [chart for chart in charts if chart is not None]
    if not shown:
        return None
    lead = (
        "Better is up, and to the side that the arrow names. Arms: the ± of the table of cells. Pale: another cell is "
        "better on both axes, by both intervals."
    )
    if len(summary.cells) > _MOST_NAMES:
        lead += " Numbers: rows of the table of cells."
    return section("What is traded for what", lead, tag("div", join(shown), class_="charts wide-charts"))


def _two_metrics(summary: Summary) -> Markup | None:
    pair = _pair(summary)
    if pair is None:
        return None
    x, y = pair
    dominated = _dominated(summary, y.rows, x.rows, y, x.facts.direction)
    return _plot(summary, x.means, x.half_widths, y, dominated, _axis(x), _title(x))


def _pair(summary: Summary) -> tuple[MetricSummary, MetricSummary] | None:
    """Drawing to the right and understanding up where both are measured, else the primary metric and another."""
    looking, drawing_ = summary.metrics.get("understanding.overall"), summary.metrics.get("drawing.overall")
    if looking and drawing_:
        return drawing_, looking
    if summary.primary is None:
        return None
    heads = summary.primary.name.partition(".")[0]
    other = next((metric for metric in summary.headline if metric.name.partition(".")[0] != heads), None)
    return (other, summary.primary) if other is not None else None


def _against_flops(summary: Summary) -> Markup | None:
    metric = summary.primary
    flops = {cell.name: cell.budget.flops for cell in summary.cells if cell.budget.flops and drawable(cell.budget.flops)}
    known = {name: value for name, value in flops.items() if value}
    if metric is None or len(known) < 2:
        return None
    rows = {name: (value,) * len(summary.seeds) for name, value in known.items()}
    dominated = _dominated(summary, metric.rows, rows, metric, "down")
    axis = amounts(known.values(), lambda value: count(round(value)))
    return _plot(summary, known, {}, metric, dominated, axis, "training FLOPs ↓")


def _dominated(
    summary: Summary, first: Scores, second: Scores, metric: MetricSummary, direction: str
) -> frozenset[str]:
    if summary.missing:
        return frozenset()
    other = "up" if direction == "up" else "down"
    return frozenset(dominated_cells(first, second, (metric.facts.direction, other)))


def _axis(metric: MetricSummary) -> Axis:
    ends = [
        metric.means[cell] + sign * metric.half_widths.get(cell, 0.0) for cell in metric.means for sign in (-1, 1)
    ]
    return linear([end for end in ends if drawable(end)])


def _title(metric: MetricSummary) -> str:
    return f"{metric_label(metric.name)} {arrow(metric.facts)}"


def _plot(
    summary: Summary,
    across: Mapping[str, float],
    arms: Mapping[str, float],
    metric: MetricSummary,
    dominated: frozenset[str],
    x: Axis,
    x_title: str,
) -> Markup | None:
    y = _axis(metric)
    points = {
        cell.name: _FRAME.at(x.share(across[cell.name]), y.share(metric.means[cell.name]))
        for cell in summary.cells
        if drawable(across.get(cell.name)) and drawable(metric.means.get(cell.name))
    }
    if len(points) < 2:
        return None
    parts = [grid(_FRAME, x, y), *_axis_titles(x_title, _title(metric))]
    for name, at in points.items():
        parts.append(_cross(summary, name, at, across[name], arms.get(name), metric, x, y, pale=name in dominated))
    labels = {
        (shortened(name, _LETTERS) if len(points) <= _MOST_NAMES else str(summary.number(name))): name for name in points
    }
    for label, (left, top, anchor) in placed_labels(_FRAME, {label: points[labels[label]] for label in labels}).items():
        pale = " dominated" if labels[label] in dominated else ""
        number = summary.number(labels[label])
        parts.append(tag("text", label, x=left, y=top, text_anchor=anchor, class_=f"row{pale}", data_cell=number))
    title = f"{_title(metric)} against {x_title}"
    beaten = f"; dominated: {', '.join(sorted(dominated))}" if dominated else ""
    svg = drawing(_FRAME, f"{title}, one point per cell{beaten}", parts, "chart pareto")
    return tag("figure", tag("figcaption", tag("span", title, class_="title")), svg, class_="small")


def _axis_titles(x_title: str, y_title: str) -> Sequence[Markup]:
    middle, height = (_FRAME.left + _FRAME.end) / 2, (_FRAME.top + _FRAME.base) / 2
    return (
        tag("text", x_title, x=middle, y=_FRAME.height - 8, class_="axis", text_anchor="middle"),
        tag("text", y_title, transform=f"translate(12 {height:.0f}) rotate(-90)", class_="axis", text_anchor="middle"),
    )


def _cross(
    summary: Summary,
    name: str,
    at: tuple[float, float],
    across: float,
    arm: float | None,
    metric: MetricSummary,
    x: Axis,
    y: Axis,
    *,
    pale: bool,
) -> Markup:
    mean, half = metric.means[name], metric.half_widths.get(name)
    parts: list[Markup] = []
    if arm is not None:
        ends = [_FRAME.at(x.share(across + sign * arm), 0)[0] for sign in (-1, 1)]
        parts.append(segment((ends[0], at[1]), (ends[1], at[1]), "interval"))
    if half is not None:
        ends = [_FRAME.at(0, y.share(mean + sign * half))[1] for sign in (-1, 1)]
        parts.append(segment((at[0], ends[0]), (at[0], ends[1]), "interval"))
    classes = ["mean", *(["baseline"] if name == summary.results.baseline else [])]
    title = f"{name}: {figure(mean, metric.places)}"
    parts.append(dot(at, 4.8, title, " ".join(classes)))
    return tag("g", *parts, class_="dominated" if pale else None, data_cell=summary.number(name))
