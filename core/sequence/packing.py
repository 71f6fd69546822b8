"""Packing: the choice of sequences that share a row, so that a batch has little padding."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import product

from ..errors import JaniformError

_MORE_ROWS = 24
"""How many numbers of rows are tried beyond the smallest one."""

_FILLS = 24
"""How often rows are filled one by one, which takes a hundred times as long as spreading sequences over them."""

_SLACK = (0.003, 0.02)
"""Shares of padding that are allowed, one after the other, until the sequences fit into a number of rows."""

_ENOUGH = 0.006
"""Share of padding at which the search ends."""

_WIDER = 2
"""How many times ``length`` a row may have where rows of ``length`` leave more padding than ``_GRANTED``."""

_GRANTED = 0.02
"""Padding as a share of the tokens up to which rows are not made longer than ``length``."""


def rows_of(sizes: Sequence[int], length: int) -> list[list[int]]:
    """Rows of at most ``length`` positions, or up to twice as many, as indices of the sequences in them.

    A batch is as wide as its longest row, so it costs the number of rows times that length, and not times ``length``:
    rows of nearly equal length have almost no padding, however short they are. A sequence of nearly ``length`` makes
    every row as wide, and a few others may not fill a whole number of such rows. Then rows may be up to twice as long:
    since documents do not attend to each other, a position costs the same in a row of any length.

    Raises ``JaniformError`` where one sequence is longer than ``length``.
    """
    if not sizes:
        return []
    longest, total = max(sizes), sum(sizes)
    if longest > length:
        raise JaniformError(f"a sequence of {longest} tokens does not fit into {length}: raise the packed length")
    order = sorted(range(len(sizes)), key=lambda index: -sizes[index])
    rows = _within(order, sizes, length)
    if _area(rows, sizes) <= total * (1 + _GRANTED):
        return rows
    return min([rows, *_spreads(order, sizes, _WIDER * length)], key=lambda rows: _area(rows, sizes))


def _within(order: list[int], sizes: Sequence[int], length: int) -> list[list[int]]:
    """Rows of at most ``length``, with the smallest area over several numbers of rows.

    For sequences of similar lengths spreading them evenly is best; for different lengths, filling rows one by one.
    """
    longest, total = sizes[order[0]], sum(sizes)
    best = min([*_spreads(order, sizes, length), _filled(order, sizes, length)], key=lambda rows: _area(rows, sizes))
    fills = 0
    for count, slack in product(_counts(sizes, length), _SLACK):
        width = max(longest, -(-round(total * (1 + slack)) // count))
        if width > length or count * width >= _area(best, sizes):
            continue
        if fills == _FILLS or _area(best, sizes) <= total * (1 + _ENOUGH):
            break
        fills += 1
        rows = _filled(order, sizes, width, count)
        if rows and _area(rows, sizes) < _area(best, sizes):
            best = rows
    return best


def _counts(sizes: Sequence[int], length: int) -> range:
    """The numbers of rows of a length to try."""
    return range(-(-sum(sizes) // length), len(sizes) + 1)[: _MORE_ROWS + 1]


def _spreads(order: list[int], sizes: Sequence[int], length: int) -> list[list[list[int]]]:
    """The sequences spread evenly over several numbers of rows, where no row is longer than ``length``."""
    spread = (_spread(order, sizes, count) for count in _counts(sizes, length))
    return [rows for rows in spread if _width(rows, sizes) <= length]


def _width(rows: list[list[int]], sizes: Sequence[int]) -> int:
    return max(sum(sizes[index] for index in row) for row in rows)


def _area(rows: list[list[int]], sizes: Sequence[int]) -> int:
    return len(rows) * _width(rows, sizes)


def _spread(order: list[int], sizes: Sequence[int], count: int) -> list[list[int]]:
    """The longest first, each into the emptiest row (Graham, Bounds on multiprocessing timing anomalies, 1969)."""
    rows: list[list[int]] = [[] for _ in range(count)]
    heap = [(0, row) for row in range(count)]
    for index in order:
        filled, row = heapq.heappop(heap)
        rows[row].append(index)
        heapq.heappush(heap, (filled + sizes[index], row))
    return rows


def _filled(order: list[int], sizes: Sequence[int], width: int, most: int = 0) -> list[list[int]]:
    """Rows of a width, filled one after the other: with the longest sequence left, and those that fill the rest best.

    This is the minimum bin slack heuristic (Gupta and Ho, 1999; MBS' of Fleszar and Hindi, 2002). The best filling
    is found exactly, as a subset sum. Empty where more than ``most`` rows are needed; 0 means no limit.
    """
    rows: list[list[int]] = []
    left = list(order)
    spare = most * width - sum(sizes) if most else width * len(order)
    while left:
        row = [left.pop(0)]
        inside = _best_subset([sizes[index] for index in left], width - sizes[row[0]])
        row += [left[position] for position in inside]
        taken = set(inside)
        left = [index for position, index in enumerate(left) if position not in taken]
        spare -= width - sum(sizes[index] for index in row)
        if spare < 0:
            return []
        rows.append(row)
    return rows


def _best_subset(sizes: Sequence[int], room: int) -> list[int]:
    """The indices of the sizes whose sum is largest within ``room``; of equal sums, the one with longer sizes."""
    mask = (1 << (room + 1)) - 1
    reached = [1]  # bit s of number n: the last n sizes can add up to s
    for size in reversed(sizes):
        reached.append((reached[-1] | (reached[-1] << size)) & mask)
        if reached[-1] >> room:
            break
    goal = reached[-1].bit_length() - 1
    chosen: list[int] = []
    for number in range(len(reached) - 1, 0, -1):
        position = len(sizes) - number
        size = sizes[position]
        if goal >= size and reached[number - 1] >> (goal - size) & 1:
            chosen.append(position)
            goal -= size
    return chosen
