"""A small chart of one figure, with a line for each run: linear and, where it can be, logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from .curve import Series, smoothed, ticks
from .markup import Markup, join, tag

WIDTH, HEIGHT = 420.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 12.0, 10.0, 30.0
NOTHING = 1e-300
"""Values up to which a logarithm is not drawn: below, floats lose their digits and axes their marks."""
MOST = 400
"""Points of a line that are drawn; of more, neighbours are averaged."""


@frozen
class Line:
    """A series with its colour's number and its name, which a pointer shows."""

    name: str
    colour: int
    points: Series


@frozen
class Chart:
    """``marks``: x values with names, drawn as thin verticals. ``zero``: whether the linear axis begins there."""

    title: str
    lines: Sequence[Line]
    marks: Mapping[str, float] = field(factory=dict)
    zero: bool = True
    unit: str = ""
    smooth: bool = True


def chart_figure(chart: Chart) -> Markup | None:
    """The chart as a ``figure``; None where no finite number was measured.

    It holds two drawings, of which the page's style shows one, and the values to which all lines have come.
    """
    lines = [Line(line.name, line.colour, thinned(line.points)) for line in chart.lines]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    positive = all(y > NOTHING for line in lines for _, y in line.points)
    drawings = [_drawing(chart, lines, logarithmic=False)]
    if positive:
        drawings.append(_drawing(chart, lines, logarithmic=True))
    else:
        drawings.append(tag("p", "no logarithm: some values are 0 or less", class_="chart log note"))
    ends = [tag("span", f"{ending(line.points):.3g}{chart.unit}", class_=f"series-{line.colour % 6}") for line in lines]
    caption = tag("figcaption", tag("span", chart.title, class_="title"), tag("span", join(ends), class_="ends"))
    return tag("figure", caption, *drawings, class_="small")


def thinned(points: Series, most: int = MOST) -> list[tuple[float, float]]:
    """The finite points, neighbours averaged until there are at most ``most``."""
    kept = [(x, y) for x, y in points if math.isfinite(y)]
    size = -(-len(kept) // most) or 1
    groups = [kept[start : start + size] for start in range(0, len(kept), size)]
    return [(group[-1][0], math.fsum(y for _, y in group) / len(group)) for group in groups]


def calmed(points: Series) -> list[tuple[float, float]]:
    """The points smoothed over about a twelfth of their number."""
    return smoothed(points, min(0.95, max(0.4, 1 - 12 / len(points)))) if points else []


def ending(points: Series) -> float:
    """Where a series has come to: its smoothed end."""
    return calmed(points)[-1][1]


def _drawing(chart: Chart, lines: Sequence[Line], *, logarithmic: bool) -> Markup:
    steps = [x for line in lines for x, _ in line.points]
    values = [y for line in lines for _, y in line.points]
    left, right = min(steps), max(max(steps), min(steps) + 1)
    low, high, marks = _log_axis(values) if logarithmic else _linear_axis(values, zero=chart.zero)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(y / low) / math.log10(high / low)) if logarithmic else (y - low) / (high - low)
        return (
            _LEFT + (x - left) / (right - left) * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM),
        )

    parts: list[Markup] = []
    for mark in marks:
        y = place(left, mark)[1]
        parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", _short(mark), x=_LEFT - 7, y=y + 4, class_="tick", text_anchor="end"))
    for mark in (mark for mark in ticks(left, right, 5) if left <= mark <= right):
        x = place(mark, marks[0])[0]
        parts.append(tag("text", _short(mark), x=x, y=HEIGHT - _BOTTOM + 18, class_="tick", text_anchor="middle"))
    for name, at in chart.marks.items():
        if left < at < right:
            x = place(at, marks[0])[0]
            vertical = tag("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="mark-line")
            parts.append(tag("g", tag("title", name), vertical))
    for line in lines:
        calm = calmed(line.points) if chart.smooth else line.points
        for kind, points in (("raw", line.points), ("line", calm)):
            path = "M" + " L".join("{:.1f} {:.1f}".format(*place(x, y)) for x, y in _two(points))
            parts.append(tag("path", d=path, class_=f"{kind} series-{line.colour % 6}"))
        spot = place(*calm[-1])
        parts.append(tag("circle", cx=spot[0], cy=spot[1], r=3, class_=f"end series-{line.colour % 6}"))
    said = "; ".join(f"{line.name}: {line.points[0][1]:.4g} to {ending(line.points):.4g}" for line in lines)
    return tag(
        "svg",
        join([tag("title", f"{chart.title}. {said}"), *parts]),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        class_=f"chart {'log' if logarithmic else 'linear'}",
    )


def _linear_axis(values: Sequence[float], *, zero: bool) -> tuple[float, float, list[float]]:
    low, high = min(values), max(values)
    marks = ticks(min(0.0, low) if zero else low, max(high, low + 1e-12), 4)
    return marks[0], marks[-1] if marks[-1] > marks[0] else marks[0] + 1, marks


def _log_axis(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """From the mark below the least value to the one above the largest, of 1, 2 and 5 times a power of ten."""
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    every = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
    low = max(mark for mark in every if mark <= min(values) * (1 + 1e-9))
    high = min(mark for mark in [*every, 10.0 ** (last + 1)] if mark >= max(values) * (1 - 1e-9) and mark > low)
    marks = [mark for mark in every if low <= mark <= high]
    powers = [mark for mark in marks if abs(math.log10(mark) - round(math.log10(mark))) < 1e-9]
    return low, high, powers if len(powers) > 2 else marks


def _two(points: Series) -> Series:
    """A single point as a short line, so that it is seen."""
    return points if len(points) > 1 else [points[0], (points[0][0] + 1e-9, points[0][1])]


def _short(value: float) -> str:
    """A tick: 2000 as 2k, 1500000 as 1.5M, small ones with an exponent."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")
