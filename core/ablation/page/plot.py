"""Parts of the charts of a study: axes, dots, intervals, and labels that do not cover each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import frozen

from ...report.chart import Frame, log_axis, short_number
from ...report.markup import Markup, join, tag
from ...report.series import ticks
from .words import usable

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom."""

_SMALLEST = 1e-300
_LETTER = 6.4
_LINE = 13.0


@frozen
class Axis:
    """The range of an axis and its ticks."""

    low: float
    high: float
    marks: tuple[float, ...]
    logarithmic: bool = False
    text: Callable[[float], str] = short_number

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1; values beyond an end are drawn at it."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def linear(values: Iterable[float], most: int = 5, text: Callable[[float], str] = short_number) -> Axis:
    """An axis of round numbers around drawable values."""
    shown = [value for value in values if usable(value)] or [0.0, 1.0]
    low, high = min(shown), max(shown)
    if high - low <= 1e-8 * max(1.0, abs(low), abs(high)):  # ticks have ten decimals
        room = max(0.05 * abs(low), 1e-6) if abs(low) > 1e-6 else 0.5
        low, high = low - room, high + room
    marks = ticks(low, high, most)
    return Axis(marks[0], marks[-1], tuple(marks), text=text)


def amounts(values: Iterable[float], text: Callable[[float], str] = short_number) -> Axis:
    """An axis of amounts, logarithmic where the largest is over eight times the least."""
    shown = [value for value in values if usable(value)]
    if shown and min(shown) > _SMALLEST and max(shown) > 8 * min(shown):
        low, high, marks = log_axis(shown)
        return Axis(low, high, tuple(marks[:: -(-len(marks) // 6)]), logarithmic=True, text=text)
    return linear(shown, text=text)


def grid(frame: Frame, x: Axis, y: Axis | None = None) -> Markup:
    """The ticks of both axes, with vertical lines where there is no vertical axis."""
    parts: list[Markup] = []
    for mark in x.marks:
        at = frame.at(x.share(mark), 0)[0]
        parts.append(frame.x_tick(x.text(mark), at))
        if y is None:
            parts.append(tag("line", x1=at, x2=at, y1=frame.top, y2=frame.base, class_="grid"))
    for mark in y.marks if y else ():
        parts.append(frame.y_tick(y.text(mark) if y else "", frame.at(0, y.share(mark) if y else 0)[1], 7))
    return join(parts)


def drawing(frame: Frame, title: str, parts: Sequence[Markup], class_: str = "chart") -> Markup:
    """The chart as an image with a description."""
    return tag(
        "svg",
        join([tag("title", title), *parts]),
        viewBox=f"0 0 {frame.width:.0f} {frame.height:.0f}",
        role="img",
        class_=class_,
    )


def dot(at: tuple[float, float], radius: float, title: str, class_: str, **data: str | int) -> Markup:
    """A dot with a title that appears under the pointer."""
    return tag("circle", tag("title", title), cx=at[0], cy=at[1], r=radius, class_=class_, **data)


def segment(start: tuple[float, float], end: tuple[float, float], class_: str, **data: str | int) -> Markup:
    return tag("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_, **data)


def path(points: Sequence[tuple[float, float]], class_: str, *, closed: bool = False, **data: str | int) -> Markup:
    text = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")
    return tag("path", d=text, class_=class_, **data)


def placed_labels(
    frame: Frame, points: Mapping[str, tuple[float, float]], lines: Sequence[Box] = ()
) -> dict[str, tuple[float, float, str]]:
    """For the label of each point its x, y and anchor, chosen so that it covers no point, other label, or line.

    A label without room may cover lines; it has no entry where it would cover more.
    """
    boxes = [(x - 5, y - 5, x + 5, y + 5) for x, y in points.values()]
    result: dict[str, tuple[float, float, str]] = {}
    for name, point in points.items():
        free = [place for place in _places(name, point, frame) if not any(_overlap(place[0], box) for box in boxes)]
        clear = [place for place in free if not any(_overlap(place[0], line) for line in lines)]
        for box, anchor in [*clear, *free][:1]:
            boxes.append(box)
            x = {"start": box[0], "end": box[2], "middle": (box[0] + box[2]) / 2}[anchor]
            result[name] = (x, (box[1] + box[3]) / 2 + 4, anchor)
    return result


def _places(name: str, point: tuple[float, float], frame: Frame) -> Iterator[tuple[Box, str]]:
    """The boxes in which the label of a point may stand, with its anchor; the best first."""
    (x, y), width = point, _LETTER * len(name)
    for left, middle, anchor in (
        (x + 7, y, "start"),
        (x + 5, y - 0.8 * _LINE, "start"),
        (x + 5, y + 0.8 * _LINE, "start"),
        (x - 5 - width, y - 0.8 * _LINE, "end"),
        (x - 5 - width, y + 0.8 * _LINE, "end"),
        (x - 7 - width, y, "end"),
        (x - width / 2, y - 1.2 * _LINE, "middle"),
        (x - width / 2, y + 1.3 * _LINE, "middle"),
        (x + 5, y - 1.8 * _LINE, "start"),
        (x + 5, y + 1.8 * _LINE, "start"),
    ):
        box = (left, middle - _LINE / 2, left + width, middle + _LINE / 2)
        if box[0] >= frame.left and box[2] <= frame.width and box[1] >= 0 and box[3] <= frame.base:
            yield box, anchor


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
