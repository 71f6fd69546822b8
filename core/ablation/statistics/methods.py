"""Scores of cells over seeds, and the method by which their differences are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from .blocks import Blocks, block_analysis
from .intervals import FloatArray, MeanDifference, spread
from .paired import paired_difference

Scores = Mapping[str, Sequence[float | None]]
"""Cell -> one score per seed, in the same order of seeds for all cells; None or NaN where a run has none."""

FEWEST_SEEDS = 3
"""Fewer seeds than these allow no verdict on a design."""

MOST_UNEVEN = 3.0
"""Where the largest sd of a cell is over this times the least, cells are not pooled."""

BLOCK = "randomised block"
PAIRED = "paired t"


@frozen(eq=False)
class Method:
    """How differences are judged: by one block analysis of all cells, or pair by pair; ``reason`` says why not pooled.

    ``scores``: cells × seeds, NaN where a run has none. ``complete``: the seeds that have a score in every cell.
    """

    name: str
    reason: str
    cells: tuple[str, ...]
    scores: FloatArray = field(repr=False)
    complete: NDArray[np.bool_]
    blocks: Blocks | None
    alpha: float

    def seeds_of(self, first: str, second: str) -> NDArray[np.bool_]:
        """The seeds that count for two cells."""
        both_S = np.isfinite(self.scores_of(first)) & np.isfinite(self.scores_of(second))
        return both_S if self.blocks is None else both_S & self.complete

    def scores_of(self, cell: str) -> FloatArray:
        """The scores of a cell, NaN where a seed has none; all NaN for a cell without a score."""
        if cell not in self.cells:
            return np.full(self.scores.shape[1], np.nan)
        row: FloatArray = self.scores[self.cells.index(cell)]
        return row

    def between(self, first: str, second: str) -> MeanDifference | None:
        """Cell ``first`` - cell ``second``; None for fewer than three seeds that both have."""
        used_S = self.seeds_of(first, second)
        if used_S.sum() < FEWEST_SEEDS:
            return None
        if self.blocks is not None:
            return self.blocks.between(self.cells.index(first), self.cells.index(second))
        return paired_difference(self.scores_of(first)[used_S], self.scores_of(second)[used_S], self.alpha)


def choose_method(scores: Scores, alpha: float = 0.05) -> Method:
    """The block analysis over the seeds that all cells have, or paired t where it does not hold or would lose much.

    Cells without any score are left out. Raises ``ValueError`` where the cells have different numbers of seeds.
    """
    cells, scores_CS = _table(scores)
    finite_CS = np.isfinite(scores_CS)
    complete_S: NDArray[np.bool_] = np.logical_and.reduce(finite_CS, axis=0)
    most = int(finite_CS.sum(axis=1).max(initial=0))
    poolable = len(cells) > 2 and most >= FEWEST_SEEDS  # of two cells, the block analysis is the paired t
    reason = _against_pooling(cells, scores_CS, complete_S, most) if poolable else ""
    pooled = poolable and not reason
    return Method(
        name=BLOCK if pooled else PAIRED,
        reason=reason,
        cells=cells,
        scores=scores_CS,
        complete=complete_S,
        blocks=block_analysis(scores_CS[:, complete_S], alpha) if pooled else None,
        alpha=alpha,
    )


def _table(scores: Scores) -> tuple[tuple[str, ...], FloatArray]:
    lengths = {len(values) for values in scores.values()}
    if len(lengths) != 1:
        raise ValueError(f"all cells need one score or None per seed, got {sorted(lengths)} seeds")
    rows = {name: np.array(values, dtype=np.float64) for name, values in scores.items()}  # None becomes NaN
    if infinite := next((name for name, row in rows.items() if np.isinf(row).any()), None):
        raise ValueError(f"a score of cell '{infinite}' is infinite")
    rows = {name: row for name, row in rows.items() if np.isfinite(row).any()}
    return tuple(rows), np.array(list(rows.values())).reshape(len(rows), lengths.pop())


def _against_pooling(cells: tuple[str, ...], scores: FloatArray, complete: NDArray[np.bool_], most: int) -> str:
    """Why the cells' scatter must not be pooled; empty where it may be."""
    count = int(complete.sum())
    if count < FEWEST_SEEDS or 2 * count < most:
        return f"{count} of {complete.size} seeds have a score in every cell"
    sds = [spread(row) for row in scores[:, complete]]
    largest, least = max(sds), min(sds)
    if largest <= MOST_UNEVEN * least:
        return ""
    uneven, even = cells[sds.index(largest)], cells[sds.index(least)]
    return f"the sd of cell '{uneven}' ({largest:.3g}) is over {MOST_UNEVEN:g} times that of '{even}' ({least:.3g})"
