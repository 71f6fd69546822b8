"""Pareto plots: one metric against another, and the primary metric against training FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ...report.chart import Frame
from ...report.markup import Markup, join, tag
from ...report.sections import section
from ...units import count
from ..statistics import Direction, Scores, dominated_cells
from .plot import Axis, Box, amounts, dot, drawing, grid, linear, placed_labels, segment
from .summary import MetricSummary, Summary
from .words import arrow, figure, metric_label, shortened, usable

_FRAME = Frame(420.0, 320.0, 52.0, 24.0, 12.0, 46.0)
_LETTERS = 18

Point: TypeAlias = tuple[float, float]
_MOST_NAMES = 10
"""Cells up to this number are labelled with their names, more with their numbers."""


def paretos(summary: Summary) -> Markup | None:
    """Plots of two metrics, and of a metric against FLOPs; None where there is nothing to set against each other."""
    charts = [_two_metrics(summary), _against_flops(summary)]
    shown = [chart for chart in charts if chart is not None]
    if not shown:
        return None
    lead = "Better is up, and to the side that the arrow names."
    if any(metric.judged for metric in summary.headline):
        lead += " Arms: the ± of the table of cells. Pale: another cell is better on both axes, by both intervals."
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
    flops = {cell.name: cell.budget.flops for cell in summary.cells if cell.budget.flops and usable(cell.budget.flops)}
    known = {name: value for name, value in flops.items() if value}
    if metric is None or len(known) < 2:
        return None
    rows = {name: (value,) * len(summary.seeds) for name, value in known.items()}
    dominated = _dominated(summary, metric.rows, rows, metric, "down")
    axis = amounts(known.values(), lambda value: count(round(value)))
    return _plot(summary, known, {}, metric, dominated, axis, "training FLOPs ↓")


def _dominated(
    summary: Summary, first: Scores, second: Scores, metric: MetricSummary, direction: Direction
) -> frozenset[str]:
    if summary.missing:
        return frozenset()
    both = [
        cell
        for cell in first
        if cell in second and all(any(value is not None for value in rows[cell]) for rows in (first, second))
    ]
    one, other = ({cell: rows[cell] for cell in both} for rows in (first, second))
    return frozenset(dominated_cells(one, other, (metric.facts.direction, direction)))


def _axis(metric: MetricSummary) -> Axis:
    ends = [metric.means[cell] + sign * metric.half_widths.get(cell, 0.0) for cell in metric.means for sign in (-1, 1)]
    return linear([end for end in ends if usable(end)])


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
        if usable(across.get(cell.name)) and usable(metric.means.get(cell.name))
    }
    if len(points) < 2:
        return None
    parts = [grid(_FRAME, x, y), *_axis_titles(x_title, _title(metric))]
    lines: list[Box] = []
    for name, at in points.items():
        ends = _arms(across[name], arms.get(name), metric, name, at, x, y)
        lines += [_box(start, end) for start, end in ends]
        marks = [segment(start, end, "interval") for start, end in ends]
        text = f"{name}: {figure(metric.means[name], metric.places)}"
        marks.append(dot(at, 4.8, text, "mean baseline" if name == summary.results.baseline else "mean"))
        pale = "dominated" if name in dominated else None
        parts.append(tag("g", *marks, class_=pale, data_cell=summary.number(name)))
    few = len(points) <= _MOST_NAMES
    parts += _labels(summary, points, lines, dominated, few=few)
    title = f"{_title(metric)} against {x_title}"
    beaten = f"; dominated: {', '.join(sorted(dominated))}" if dominated else ""
    svg = drawing(_FRAME, f"{title}, one point per cell{beaten}", parts, "chart pareto" if few else "chart pareto many")
    return tag("figure", tag("figcaption", tag("span", title, class_="title")), svg, class_="small")


def _axis_titles(x_title: str, y_title: str) -> Sequence[Markup]:
    middle, height = (_FRAME.left + _FRAME.end) / 2, (_FRAME.top + _FRAME.base) / 2
    return (
        tag("text", x_title, x=middle, y=_FRAME.height - 8, class_="axis", text_anchor="middle"),
        tag("text", y_title, transform=f"translate(12 {height:.0f}) rotate(-90)", class_="axis", text_anchor="middle"),
    )


def _arms(
    across: float, arm: float | None, metric: MetricSummary, name: str, at: Point, x: Axis, y: Axis
) -> list[tuple[Point, Point]]:
    """The ends of a cell's intervals, as far as it has some."""
    mean, half = metric.means[name], metric.half_widths.get(name)
    lines: list[tuple[Point, Point]] = []
    if arm is not None and usable(arm):
        left, right = (_FRAME.at(x.share(across + sign * arm), 0)[0] for sign in (-1, 1))
        lines.append(((left, at[1]), (right, at[1])))
    if half is not None and usable(half):
        low, high = (_FRAME.at(0, y.share(mean + sign * half))[1] for sign in (-1, 1))
        lines.append(((at[0], low), (at[0], high)))
    return lines


def _box(start: Point, end: Point) -> Box:
    return min(start[0], end[0]) - 1, min(start[1], end[1]) - 1, max(start[0], end[0]) + 1, max(start[1], end[1]) + 1


def _labels(
    summary: Summary, points: Mapping[str, Point], lines: Sequence[Box], dominated: frozenset[str], *, few: bool
) -> list[Markup]:
    """Names of cells, or the numbers of their rows where there are many."""
    texts = {name: shortened(name, _LETTERS) if few else str(summary.number(name)) for name in points}
    by_text = {text: points[name] for name, text in texts.items()}
    places = placed_labels(_FRAME, by_text, lines)
    return [
        tag(
            "text",
            text,
            x=places[text][0],
            y=places[text][1],
            text_anchor=places[text][2],
            class_="row dominated" if name in dominated else "row",
            data_cell=summary.number(name),
        )
        for name, text in texts.items()
        if text in places and by_text[text] == points[name]
    ]
