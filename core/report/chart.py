"""Charts as SVG: a small chart of one metric with a line per run, and a wide chart of losses with labels at the ends.

Charting libraries were compared: matplotlib writes fixed colours, so a page could not follow a dark mode; plotly and
altair embed megabytes of JavaScript; pygal has no labels at the ends of lines. Each would be a dependency for one page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from .markup import Markup, join, tag
from .series import Series, smoothed, smoothed_by_length, smoothed_end, spread, subsampled, ticks

MIN_LOGARITHMIC = 1e-300
"""Values up to this have no logarithmic chart: smaller floats lose digits, and the axis its ticks."""


@frozen
class Frame:
    """Size of a drawing, and the margins around the area of the lines."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def end(self) -> float:
        """x of the right end of the area."""
        return self.width - self.right

    @property
    def base(self) -> float:
        """y of the lower end of the area."""
        return self.height - self.bottom

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The point at shares of the width and the height of the area, from its lower left."""
        return self.left + x * (self.end - self.left), self.base - y * (self.base - self.top)

    def y_tick(self, text: str, y: float, gap: float) -> Markup:
        """A horizontal grid line with its label."""
        line = tag("line", x1=self.left, x2=self.end, y1=y, y2=y, class_="grid")
        return join([line, tag("text", text, x=self.left - gap, y=y + 4, class_="tick", text_anchor="end")])

    def x_tick(self, text: str, x: float) -> Markup:
        """A label below the area."""
        return tag("text", text, x=x, y=self.base + 18, class_="tick", text_anchor="middle")


SMALL = Frame(420.0, 210.0, 50.0, 12.0, 10.0, 30.0)
WIDE = Frame(800.0, 300.0, 44.0, 206.0, 14.0, 40.0)
_LABEL_GAP = 17.0


@frozen
class Line:
    """A series with its name and the number of its colour."""

    name: str
    colour: int
    points: Series


@frozen
class Chart:
    """A chart. ``marks``: name -> x of a thin vertical line. ``zero``: whether the linear axis begins at zero."""

    title: str
    lines: Sequence[Line]
    marks: Mapping[str, float] = field(factory=dict)
    zero: bool = True
    unit: str = ""
    smooth: bool = True


def chart_figure(chart: Chart) -> Markup | None:
    """The chart as a ``figure``; None where it has no finite value.

    It holds a linear and a logarithmic drawing, of which the style sheet shows one, and the last value of every line.
    """
    lines = [Line(line.name, line.colour, subsampled(line.points)) for line in chart.lines]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    positive = all(y > MIN_LOGARITHMIC for line in lines for _, y in line.points)
    drawings = [_drawing(chart, lines, logarithmic=False)]
    if positive:
        drawings.append(_drawing(chart, lines, logarithmic=True))
    else:
        drawings.append(tag("p", "no logarithmic chart: some values are 0 or less", class_="chart log note"))
    ends = [
        tag("span", f"{smoothed_end(line.points):.3g}{chart.unit}", class_=f"series-{line.colour % 6}")
        for line in lines
    ]
    caption = tag("figcaption", tag("span", chart.title, class_="title"), tag("span", join(ends), class_="ends"))
    return tag("figure", caption, *drawings, class_="small")


def _drawing(chart: Chart, lines: Sequence[Line], *, logarithmic: bool) -> Markup:
    steps = [x for line in lines for x, _ in line.points]
    values = [y for line in lines for _, y in line.points]
    left, right = min(steps), max(max(steps), min(steps) + 1)
    low, high, marks = log_axis(values) if logarithmic else _linear_axis(values, zero=chart.zero)

    def position(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(y / low) / math.log10(high / low)) if logarithmic else (y - low) / (high - low)
        return SMALL.at((x - left) / (right - left), share)

    parts: list[Markup] = []
    for mark in marks:
        parts.append(SMALL.y_tick(short_number(mark), position(left, mark)[1], 7))
    for mark in (mark for mark in ticks(left, right, 5) if left <= mark <= right):
        parts.append(SMALL.x_tick(short_number(mark), position(mark, marks[0])[0]))
    for name, at in chart.marks.items():
        if left < at < right:
            x = position(at, marks[0])[0]
            vertical = tag("line", x1=x, x2=x, y1=SMALL.top, y2=SMALL.base, class_="mark-line")
            parts.append(tag("g", tag("title", name), vertical))
    for line in lines:
        smooth = smoothed_by_length(line.points) if chart.smooth else line.points
        for kind, points in (("raw", line.points), ("line", smooth)):
            path = "M" + " L".join("{:.1f} {:.1f}".format(*position(x, y)) for x, y in _two(points))
            parts.append(tag("path", d=path, class_=f"{kind} series-{line.colour % 6}"))
        end = position(*smooth[-1])
        parts.append(tag("circle", cx=end[0], cy=end[1], r=3, class_=f"end series-{line.colour % 6}"))
    summary = "; ".join(f"{line.name}: {line.points[0][1]:.4g} to {smoothed_end(line.points):.4g}" for line in lines)
    return tag(
        "svg",
        join([tag("title", f"{chart.title}. {summary}"), *parts]),
        viewBox=f"0 0 {SMALL.width:.0f} {SMALL.height:.0f}",
        role="img",
        class_=f"chart {'log' if logarithmic else 'linear'}",
    )


def _linear_axis(values: Sequence[float], *, zero: bool) -> tuple[float, float, list[float]]:
    low, high = min(values), max(values)
    marks = ticks(min(0.0, low) if zero else low, max(high, low + 1e-12), 4)
    return marks[0], marks[-1] if marks[-1] > marks[0] else marks[0] + max(1, 1e-6 * abs(marks[0])), marks


def log_axis(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """The range of the axis and its ticks, at 1, 2 and 5 times a power of ten."""
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    every = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
    low = max(mark for mark in every if mark <= min(values) * (1 + 1e-9))
    high = min(mark for mark in [*every, 10.0 ** (last + 1)] if mark >= max(values) * (1 - 1e-9) and mark > low)
    marks = [mark for mark in every if low <= mark <= high]
    powers = [mark for mark in marks if abs(math.log10(mark) - round(math.log10(mark))) < 1e-9]
    return low, high, powers if len(powers) > 2 else marks


def _two(points: Series) -> Series:
    """The points; a single one as a short line, so that it is visible."""
    return points if len(points) > 1 else [points[0], (points[0][0] + 1e-9, points[0][1])]


def short_number(value: float) -> str:
    """A tick: 2000 as 2k, 1500000 as 1.5M, small ones with an exponent."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def curve_svg(series: Mapping[str, Series], *, x_title: str = "step", y_title: str = "loss") -> Markup:
    """A wide chart of all series, as measured and smoothed, labelled at their ends; only finite values are drawn."""
    cleaned = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    cleaned = {name: points for name, points in cleaned.items() if points}
    if not cleaned:
        return tag("p", "No values were measured.", class_="note")
    steps = [x for points in cleaned.values() for x, _ in points]
    low, high = min(steps), max(max(steps), min(steps) + 1)
    marks = ticks(0.0, max(y for points in cleaned.values() for _, y in points))
    top = marks[-1] or 1.0

    def position(point: tuple[float, float]) -> tuple[float, float]:
        return WIDE.at((point[0] - low) / (high - low), point[1] / top)

    grid = [WIDE.y_tick(f"{mark:g}", position((low, mark))[1], 8) for mark in marks]
    foot = [WIDE.x_tick(f"{mark:g}", position((mark, 0.0))[0]) for mark in ticks(low, high) if low <= mark <= high]
    titles = [
        tag("text", x_title, x=(WIDE.left + WIDE.end) / 2, y=WIDE.height - 4, class_="axis", text_anchor="middle"),
        tag("text", y_title, x=WIDE.left + 6, y=WIDE.top + 12, class_="axis"),
    ]
    lines: list[Markup] = []
    ends: dict[str, float] = {}
    for index, (name, points) in enumerate(cleaned.items()):
        smooth = smoothed(points)
        lines.append(tag("path", d=_path([position(point) for point in points]), class_=f"raw series-{index % 6}"))
        lines.append(tag("path", d=_path([position(point) for point in smooth]), class_=f"line series-{index % 6}"))
        ends[name] = position(smooth[-1])[1]
    labels = [
        tag(
            "text",
            tag("tspan", name, class_="name"),
            tag("tspan", f" {cleaned[name][0][1]:.2f} → {cleaned[name][-1][1]:.2f}", class_="figure"),
            x=WIDE.end + 10,
            y=y + 4,
            class_=f"label series-{list(cleaned).index(name) % 6}",
        )
        for name, y in spread(ends, _LABEL_GAP, WIDE.base).items()
    ]
    summary = "; ".join(f"{name} from {points[0][1]:.2f} to {points[-1][1]:.2f}" for name, points in cleaned.items())
    return tag(
        "svg",
        join([tag("title", f"Loss per step: {summary}"), *grid, *foot, *titles, *lines, *labels]),
        viewBox=f"0 0 {WIDE.width:.0f} {WIDE.height:.0f}",
        role="img",
        class_="curve",
    )


def _path(points: Series) -> str:
    if len(points) == 1:
        points = [points[0], (points[0][0] + 1, points[0][1])]
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
