"""Paired slopes: for each cell a small panel with a line per seed, from the baseline to the cell."""

from __future__ import annotations

from ...report.chart import Frame
from ...report.markup import Markup, join, tag
from ...report.sections import section
from ..results import CellResult
from .plot import Axis, dot, drawing, grid, linear, path
from .summary import MetricSummary, Summary
from .words import better, figure, metric_label, shortened, usable

_FRAME = Frame(200.0, 170.0, 46.0, 14.0, 10.0, 28.0)


def slopes(summary: Summary) -> Markup | None:
    """Panels for the primary metric on one scale; None where no seed has both a cell and the baseline."""
    metric = summary.primary
    if metric is None:
        return None
    base = metric.scores.get(summary.results.baseline, {})
    y = linear([value for value in metric.values if usable(value)], most=4)
    panels = [
        _panel(summary, metric, cell, y)
        for cell in summary.cells[1:]
        if any(seed in base for seed in metric.scores.get(cell.name, {}))
    ]
    if not panels:
        return None
    lead = (
        f"{metric_label(metric.name)} ({better(metric.facts)}): each line is a seed, from the baseline to the cell. "
        "Lines that all rise or all fall are a difference that seeds agree on. Solid: better; dashed: worse."
    )
    return section("Seed by seed", lead, tag("div", join(panels), class_="charts small-charts"))


def _panel(summary: Summary, metric: MetricSummary, cell: CellResult, y: Axis) -> Markup:
    base, own = metric.scores[summary.results.baseline], metric.scores[cell.name]
    x = Axis(-0.25, 1.25, ())
    parts = [grid(_FRAME, x, y)]
    for name, at in (("baseline", 0.0), (shortened(cell.name, 14), 1.0)):
        parts.append(_FRAME.x_tick(name, _FRAME.at(x.share(at), 0)[0]))
    texts = []
    for seed in (seed for seed in summary.seeds if seed in base and seed in own):
        if not (usable(base[seed]) and usable(own[seed])):
            continue
        ends = [_FRAME.at(x.share(at), y.share(value)) for at, value in ((0.0, base[seed]), (1.0, own[seed]))]
        change = own[seed] - base[seed]
        good = change == 0 or (change > 0) == (metric.facts.direction == "up")
        text = f"seed {seed}: {figure(base[seed], metric.places)} to {figure(own[seed], metric.places)}"
        texts.append(text)
        line = path(ends, f"line {'series-1' if good else 'series-0 dash-1'}")
        dots = [dot(end, 3.0, text, f"seed {'series-1' if good else 'series-0'}") for end in ends]
        parts.append(tag("g", tag("title", text), line, *dots))
    one = metric.comparisons.get(cell.name)
    note = f"same sign in {one.same_sign} of {one.seeds}" if one is not None and one.difference is not None else ""
    caption = tag("figcaption", tag("span", shortened(cell.name, 24), class_="title"), tag("span", note, class_="soft"))
    svg = drawing(_FRAME, f"{cell.name} against the baseline. {'; '.join(texts)}", parts, "chart slopes")
    return tag("figure", caption, svg, class_="small", data_cell=summary.number(cell.name))
