"""Cells that cannot be told from the best, and cells that others dominate on two metrics."""

from __future__ import annotations

from itertools import product

import numpy as np

from .compare import Direction
from .intervals import MeanDifference
from .methods import Scores, choose_method


def indistinguishable_from_best(scores: Scores, direction: Direction = "up", alpha: float = 0.05) -> tuple[str, ...]:
    """The best cell by its mean, and all whose interval of (best - cell) contains 0, in the order given.

    The intervals are those of ``choose_method``. With fewer than three seeds nothing is distinguishable, so all cells
    with a score are returned.
    """
    method = choose_method(scores, alpha)
    if not method.cells:
        return ()
    seeds_S = method.complete if method.blocks is not None else np.ones_like(method.complete)
    means_C = np.nanmean(method.scores[:, seeds_S], axis=1)
    best = method.cells[int(means_C.argmax() if direction == "up" else means_C.argmin())]
    differences = {cell: method.between(best, cell) for cell in method.cells if cell != best}
    return tuple(
        cell for cell in method.cells if (difference := differences.get(cell)) is None or difference.contains(0)
    )


def dominates(
    first: MeanDifference | None, second: MeanDifference | None, directions: tuple[Direction, Direction] = ("up", "up")
) -> bool:
    """True where a cell a is better than b on both metrics, by the intervals of a - b on the first and the second.

    On one of the two, a may equal b exactly, with no scatter: two designs of the same FLOPs. False where an interval is
    missing.
    """
    if first is None or second is None:
        return False
    better = [
        difference.low > 0 if direction == "up" else difference.high < 0
        for difference, direction in zip((first, second), directions, strict=True)
    ]
    equal = [difference.low == difference.high == 0 for difference in (first, second)]
    return any(better) and all(good or same for good, same in zip(better, equal, strict=True))


def dominated_cells(
    first: Scores, second: Scores, directions: tuple[Direction, Direction] = ("up", "up"), alpha: float = 0.05
) -> tuple[str, ...]:
    """The cells that another cell dominates on two metrics, in the order of the first metric's scores.

    An exact figure, such as FLOPs, is a metric with the same value for every seed.
    """
    methods = choose_method(first, alpha), choose_method(second, alpha)
    beaten = {
        cell
        for other, cell in product(first, second)
        if other != cell and dominates(methods[0].between(other, cell), methods[1].between(other, cell), directions)
    }
    return tuple(cell for cell in first if cell in beaten)
