"""Learning curves: the mean over seeds of each cell, with the band of its single seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from ...report.chart import Frame
from ...report.markup import Markup, join, tag
from ...report.sections import section
from ...report.series import smoothed_by_length
from ..results import CellResult, CurvePoint
from .colours import cell_colour
from .controls import AXES, axis_switch
from .plot import amounts, drawing, grid, linear, path
from .summary import Summary
from .words import metric_label, usable

_FRAME = Frame(420.0, 220.0, 50.0, 14.0, 10.0, 30.0)
_MOST_POINTS = 4000
"""Largest number of points in a chart, over all of its lines."""

Series: TypeAlias = Sequence[tuple[float, float]]

_X: Mapping[str, Callable[[CurvePoint], float]] = {
    "samples": lambda point: point.samples,
    "seconds": lambda point: point.seconds,
    "steps": lambda point: point.step,
}


def learning_curves(summary: Summary) -> Markup | None:
    """A chart for each loss of each stage, over samples, seconds and steps, of which a switch shows one."""
    stages: dict[str, dict[str, None]] = {}
    for cell in summary.cells:
        for run in cell.runs:
            for point in run.curve:
                stages.setdefault(point.stage, {}).update(dict.fromkeys(point.losses))
    blocks: list[Markup] = []
    for stage, losses in stages.items():
        charts = [chart for loss in losses if (chart := _chart(summary, stage, loss)) is not None]
        if charts:
            blocks += [tag("h3", stage), tag("div", join(charts), class_="charts")]
    if not blocks:
        return None
    lead = (
        "Lines: means over seeds of the smoothed losses. Bands: from the lowest to the highest seed. Samples and "
        "seconds are those of the run, steps those of the stage. Losses of designs with different "
        "vocabularies or codes have different units; held-out losses per picture and per answer compare."
    )
    return section("Learning curves", lead, axis_switch(), *blocks)


def _chart(summary: Summary, stage: str, loss: str) -> Markup | None:
    drawings = []
    for axis in AXES:
        lines = {cell.name: _seed_lines(cell, stage, loss, _X[axis]) for cell in summary.cells}
        lines = {name: seeds for name, seeds in lines.items() if seeds}
        if lines:
            drawings.append(_drawing(summary, lines, f"{metric_label(loss)} of {stage} by {axis}", axis))
    if not drawings:
        return None
    caption = tag("figcaption", tag("span", loss, class_="title"))
    return tag("figure", caption, *drawings, class_="small")


def _seed_lines(cell: CellResult, stage: str, loss: str, x: Callable[[CurvePoint], float]) -> list[Series]:
    """A smoothed line per run; of unfinished runs only where none is done, for they are shorter."""
    lines: list[tuple[bool, Series]] = []
    for run in cell.runs:
        points = {
            x(point): point.losses[loss]
            for point in run.curve
            if point.stage == stage and usable(point.losses.get(loss)) and usable(x(point))
        }
        if points:
            lines.append((run.state == "done", smoothed_by_length(sorted(points.items()))))
    done = [line for finished, line in lines if finished]
    return done or [line for _, line in lines]


def _drawing(summary: Summary, lines: Mapping[str, list[Series]], title: str, axis: str) -> Markup:
    most = max(8, min(160, _MOST_POINTS // len(lines)))
    bands = {name: band(seeds, most) for name, seeds in lines.items()}
    across = linear(x for points in bands.values() for x, *_ in points)
    up = amounts(value for points in bands.values() for _, *values in points for value in values)
    parts = [grid(_FRAME, across, up)]
    for name, points in bands.items():
        number, colour = summary.number(name), cell_colour(summary, name)
        low = [_FRAME.at(across.share(x), up.share(least)) for x, least, _, _ in points]
        high = [_FRAME.at(across.share(x), up.share(most_)) for x, _, _, most_ in points]
        mean = [_FRAME.at(across.share(x), up.share(value)) for x, _, value, _ in points]
        if len(lines[name]) > 1:
            parts.append(path([*low, *reversed(high)], f"band {colour}", closed=True, data_cell=number))
        if len(mean) == 1:
            mean.append((mean[0][0] + 1.5, mean[0][1]))
        line = tag("title", name), path(mean, f"line {colour}")
        parts.append(tag("g", *line, data_cell=number))
    ends = "; ".join(f"{name} ends at {points[-1][2]:.4g}" for name, points in bands.items())
    return drawing(_FRAME, f"{title}. {ends}", parts, f"chart curves by-{axis}{' many' if len(bands) > 6 else ''}")


def band(seeds: Sequence[Series], most: int) -> list[tuple[float, float, float, float]]:
    """x, lowest, mean and highest value of the seeds that reach x, at up to ``most`` places along them.

    Between two points of a seed its values lie on a straight line.
    """
    places = np.unique([x for line in seeds for x, _ in line])
    if len(places) > most:
        places = np.linspace(places[0], places[-1], most)
    rows = [
        np.interp(places, [x for x, _ in line], [value for _, value in line], left=np.nan, right=np.nan)
        for line in seeds
    ]
    values = np.array(rows)[:, np.isfinite(rows).any(axis=0)]
    covered = places[np.isfinite(rows).any(axis=0)]
    columns = (covered, np.nanmin(values, axis=0), np.nanmean(values, axis=0), np.nanmax(values, axis=0))
    return [(float(x), float(low), float(mean), float(high)) for x, low, mean, high in zip(*columns, strict=True)]
