"""Rows hold every sequence once and within their length, with next to no padding where none is needed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import JaniformError
from janiform.sequence.packing import _best_subset, rows_of


def area(rows: list[list[int]], sizes: list[int]) -> int:
    return len(rows) * max(sum(sizes[index] for index in row) for row in rows)


def smallest(sizes: list[int], length: int) -> int:
    """The smallest area of any way to lay out the sequences, by trying all."""
    best = [len(sizes) * max(sizes)]

    def place(index: int, rows: list[int]) -> None:
        if index == len(sizes):
            best[0] = min(best[0], len(rows) * max(rows))
            return
        for row in range(len(rows)):
            if rows[row] + sizes[index] <= length:
                rows[row] += sizes[index]
                place(index + 1, rows)
                rows[row] -= sizes[index]
        place(index + 1, [*rows, sizes[index]])

    place(0, [])
    return best[0]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(50, 120))
def test_every_sequence_has_one_place_and_no_row_is_too_long(sizes: list[int], length: int) -> None:
    rows = rows_of(sizes, length)
    assert sorted(index for row in rows for index in row) == list(range(len(sizes)))
    widths = [sum(sizes[index] for index in row) for row in rows]
    assert all(row for row in rows)
    assert max(widths) <= 2 * length
    assert rows == rows_of(sizes, length)


def test_rows_are_longer_only_where_those_of_the_length_leave_padding() -> None:
    assert [sum(row) for row in _laid([10, 5, 5, 4, 4, 2], 10)] == [10, 10, 10]
    assert sorted(sum(row) for row in _laid([10, 7, 7], 10)) == [10, 14], "24 of 28 positions, not of 30"
    assert [sum(row) for row in _laid([10, 3, 3], 10)] == [16]


def _laid(sizes: list[int], length: int) -> list[list[int]]:
    return [[sizes[index] for index in row] for row in rows_of(sizes, length)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(40, 90))
def test_few_sequences_take_little_more_than_the_smallest_area(sizes: list[int], length: int) -> None:
    assert area(rows_of(sizes, length), sizes) <= 1.25 * smallest(sizes, length)


@given(st.lists(st.integers(1, 30), max_size=8), st.integers(0, 80))
def test_a_row_is_filled_as_well_as_can_be(sizes: list[int], room: int) -> None:
    sums = {0}
    for size in sizes:
        sums |= {total + size for total in sums if total + size <= room}
    chosen = _best_subset(sorted(sizes, reverse=True), room)
    assert len(set(chosen)) == len(chosen)
    assert sum(sorted(sizes, reverse=True)[place] for place in chosen) == max(sums)


@pytest.mark.parametrize(
    ("kinds", "least"),
    [
        ({"caption": 1.0}, 0.985),
        ({"chat": 1.0}, 0.98),
        ({"text": 1.0}, 0.98),
        ({"chat": 0.2, "text": 0.3, "caption": 0.5}, 0.98),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [6, 24, 64])
def test_rows_are_at_least_97_percent_full(kinds: dict[str, float], least: float, batch: int) -> None:
    """Lengths as in benchmarks/packing.py: 576 codes and more, with lognormal captions or answers; documents alone."""
    shapes = {"caption": (587, 110, 0.5), "chat": (622, 180, 0.9), "text": (2, 600, 1.1)}
    chance = random.Random(0)
    tokens = positions = 0
    for _ in range(8):
        sizes = []
        for name in chance.choices(list(kinds), list(kinds.values()), k=batch):
            fixed, median, sigma = shapes[name]
            sizes.append(min(4096, fixed + round(median * chance.lognormvariate(0, sigma))))
        tokens += sum(sizes)
        positions += area(rows_of(sizes, 4096), sizes)
    assert tokens / positions >= least


def test_what_is_longer_than_a_row_is_refused() -> None:
    assert rows_of([], 4) == []
    with pytest.raises(JaniformError, match="5 tokens does not fit into 4"):
        rows_of([1, 5], 4)
