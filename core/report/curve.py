"""A loss curve as SVG: every series as it was, faint, and smoothed; named at its end instead of in a legend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .markup import Markup, join, tag

Series = Sequence[tuple[float, float]]
"""(step, value) in order."""

WIDTH, HEIGHT = 800.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 206.0, 14.0, 40.0
_LABEL_GAP = 17.0


def curve_svg(series: Mapping[str, Series], *, x_title: str = "step", y_title: str = "loss") -> Markup:
    """The curves of all series on common axes, the values' axis from zero; what is no finite number is left out."""
    cleaned = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    cleaned = {name: points for name, points in cleaned.items() if points}
    if not cleaned:
        return tag("p", "Nothing was measured.", class_="note")
    steps = [x for points in cleaned.values() for x, _ in points]
    low, high = min(steps), max(max(steps), min(steps) + 1)
    marks = ticks(0.0, max(y for points in cleaned.values() for _, y in points))
    top = marks[-1] or 1.0

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = _LEFT + (point[0] - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)
        return x, HEIGHT - _BOTTOM - point[1] / top * (HEIGHT - _TOP - _BOTTOM)

    grid = [_y_mark(mark, place((low, mark))[1]) for mark in marks]
    foot = [_x_mark(mark, place((mark, 0.0))[0]) for mark in ticks(low, high) if low <= mark <= high]
    titles = [
        tag("text", x_title, x=(_LEFT + WIDTH - _RIGHT) / 2, y=HEIGHT - 4, class_="axis", text_anchor="middle"),
        tag("text", y_title, x=_LEFT + 6, y=_TOP + 12, class_="axis"),
    ]
    lines: list[Markup] = []
    ends: dict[str, float] = {}
    for index, (name, points) in enumerate(cleaned.items()):
        smooth = smoothed(points)
        lines.append(tag("path", d=_path([place(point) for point in points]), class_=f"raw series-{index % 6}"))
        lines.append(tag("path", d=_path([place(point) for point in smooth]), class_=f"line series-{index % 6}"))
        ends[name] = place(smooth[-1])[1]
    labels = [
        tag(
            "text",
            tag("tspan", name, class_="name"),
            tag("tspan", f" {cleaned[name][0][1]:.2f} → {cleaned[name][-1][1]:.2f}", class_="figure"),
            x=WIDTH - _RIGHT + 10,
            y=y + 4,
            class_=f"label series-{list(cleaned).index(name) % 6}",
        )
        for name, y in spread(ends, _LABEL_GAP, HEIGHT - _BOTTOM).items()
    ]
    said = "; ".join(f"{name} from {points[0][1]:.2f} to {points[-1][1]:.2f}" for name, points in cleaned.items())
    return tag(
        "svg",
        join([tag("title", f"Loss per step: {said}"), *grid, *foot, *titles, *lines, *labels]),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        class_="curve",
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at or below ``low`` to at or above ``high``: steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * size for factor in (1, 2, 5, 10) if span / (factor * size) <= most)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def smoothed(points: Series, weight: float = 0.6) -> list[tuple[float, float]]:
    """An exponential mean, corrected for its start, so that the first value is the first measurement."""
    mean = total = 0.0
    result = []
    for x, y in points:
        mean, total = weight * mean + (1 - weight) * y, weight * total + (1 - weight)
        result.append((x, mean / total))
    return result


def spread(heights: Mapping[str, float], gap: float, bottom: float) -> dict[str, float]:
    """The same labels, moved apart until none is nearer than ``gap`` to another nor below ``bottom``."""
    order = sorted(heights, key=lambda name: heights[name])
    placed: dict[str, float] = {}
    limit = -math.inf
    for name in order:
        limit = placed[name] = max(heights[name], limit + gap)
    limit = bottom + gap
    for name in reversed(order):
        limit = placed[name] = min(placed[name], limit - gap)
    return {name: placed[name] for name in heights}


def _path(points: Series) -> str:
    if len(points) == 1:
        points = [points[0], (points[0][0] + 1, points[0][1])]
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _y_mark(value: float, y: float) -> Markup:
    line = tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
    return join([line, tag("text", f"{value:g}", x=_LEFT - 8, y=y + 4, class_="tick", text_anchor="end")])


def _x_mark(value: float, x: float) -> Markup:
    return tag("text", f"{value:g}", x=x, y=HEIGHT - _BOTTOM + 18, class_="tick", text_anchor="middle")
