"""Bands follow their seeds, axes hold their values, labels stand apart."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform.ablation.page.curves import band
from janiform.ablation.page.plot import amounts, linear, placed_labels
from janiform.report.chart import Frame

VALUES = st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=8)
LINES = st.lists(
    st.dictionaries(st.integers(0, 50), st.floats(-100, 100), min_size=1, max_size=9).map(
        lambda points: [(float(x), y) for x, y in sorted(points.items())]
    ),
    min_size=1,
    max_size=4,
)


def on_line(line: list[tuple[float, float]], x: float) -> float | None:
    """The value of a line at x, by hand; None beyond its ends."""
    for (left, low), (right, high) in pairwise(line):
        if left <= x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return line[0][1] if line[0][0] == x else None


@given(LINES, st.integers(8, 100))
def test_a_band_holds_the_seeds_that_reach_each_place(lines: list[list[tuple[float, float]]], most: int) -> None:
    points = band(lines, most)
    assert 1 <= len(points) <= most
    assert points[0][0] == min(line[0][0] for line in lines)
    for x, low, mean, high in points:
        values = [value for line in lines if (value := on_line(line, x)) is not None]
        assert [low, high] == pytest.approx([min(values), max(values)], abs=1e-9)
        assert mean == pytest.approx(math.fsum(values) / len(values), abs=1e-9)


@given(VALUES)
def test_axes_hold_their_values(values: list[float]) -> None:
    for axis in (linear(values), amounts(values)):
        assert axis.low < axis.high
        for value in values:
            assert 0 <= axis.share(value) <= 1
        order = [axis.share(value) for value in sorted(values)]
        assert order == sorted(order)
        assert 2 <= len(axis.marks) <= 14


def test_an_axis_of_amounts_is_logarithmic_where_they_differ_much() -> None:
    assert amounts([1e9, 1e12]).logarithmic
    assert not amounts([1e9, 2e9]).logarithmic
    assert not amounts([0.0, 1e9]).logarithmic


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=12),
        st.tuples(st.floats(60, 380), st.floats(20, 250)),
        min_size=1,
        max_size=12,
    )
)
def test_labels_cover_neither_points_nor_each_other(points: dict[str, tuple[float, float]]) -> None:
    frame = Frame(420, 300, 50, 20, 10, 40)
    boxes = []
    for name, (x, y, anchor) in placed_labels(frame, points).items():
        width = 6.4 * len(name)
        left = {"start": x, "end": x - width, "middle": x - width / 2}[anchor]
        assert left >= 0
        assert left + width <= frame.width
        for cx, cy in points.values():
            assert not (left < cx < left + width and y - 10 < cy < y + 2)
        boxes.append((left, y - 4, left + width, y - 4))
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            apart = one[2] <= other[0] or other[2] <= one[0] or abs(one[1] - other[1]) >= 12.9
            assert apart
