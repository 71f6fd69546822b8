"""What a reader of a study's scores must know before any verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from .compare import Direction
from .intervals import FloatArray, mean_interval, spread
from .methods import FEWEST_SEEDS, Scores

Limits = Mapping[str, Sequence[tuple[float, float] | None]]
"""Cell -> the interval over items of each seed's score, None where there is none."""


@frozen
class Caution:
    """One sentence; ``kind`` is "chance", "same score", "no scatter" or "more seeds"."""

    kind: str
    message: str


def cautions(
    metric: str,
    scores: Scores,
    direction: Direction = "up",
    *,
    chance: float | None = None,
    limits: Limits | None = None,
    planned_seeds: int | None = None,
) -> tuple[Caution, ...]:
    """Cautions about a metric: at chance or at one score in all cells, no scatter over seeds, more seeds than planned.

    chance: the metric's value for random answers. limits: intervals over items; without them, intervals over seeds are
    compared with chance, which takes three seeds.
    """
    rows = {cell: np.array(values, dtype=np.float64) for cell, values in scores.items()}
    rows = {cell: row[np.isfinite(row)] for cell, row in rows.items()}
    rows = {cell: row for cell, row in rows.items() if row.size}
    found = []
    if rows and chance is not None and _at_chance(rows, direction, chance, limits):
        message = f"no cell is distinguishable from chance ({chance:.3g}): '{metric}' cannot tell designs apart"
        found.append(Caution("chance", message))
    found += _without_scatter(metric, rows)
    if planned_seeds is not None and (run := max((row.size for row in rows.values()), default=0)) > planned_seeds:
        message = (
            f"{run} seeds were run and {planned_seeds} planned: seeds that are added after a look favour a finding"
        )
        found.append(Caution("more seeds", message))
    return tuple(found)


def _at_chance(rows: Mapping[str, FloatArray], direction: Direction, chance: float, limits: Limits | None) -> bool:
    """Whether no cell's interval lies on the good side of chance; False where a cell has no interval."""
    for cell, row in rows.items():
        interval = _interval(row, (limits or {}).get(cell, ()))
        if interval is None or (interval[0] > chance if direction == "up" else interval[1] < chance):
            return False
    return True


def _interval(row: FloatArray, limits: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """A cell's mean interval over items, else its interval over seeds.

    The seeds answer the same items, so their mean is not narrower than each of them.
    """
    if known := [pair for pair in limits if pair is not None]:
        low, high = np.mean(known, axis=0)
        return float(low), float(high)
    if row.size < FEWEST_SEEDS:
        return None
    interval = mean_interval(row)
    return interval.low, interval.high


def _without_scatter(metric: str, rows: Mapping[str, FloatArray]) -> list[Caution]:
    runs = np.concatenate(list(rows.values())) if rows else np.zeros(0)
    if runs.size > 1 and not spread(runs):
        message = f"all {runs.size} runs have the same '{metric}', {runs[0]:.3g}: it cannot tell designs apart"
        return [Caution("same score", message)]
    same = [cell for cell, row in rows.items() if row.size > 1 and not spread(row)]
    if not same:
        return []
    names = ", ".join(f"'{cell}'" for cell in same)
    return [
        Caution("no scatter", f"all seeds have the same '{metric}' in {names}: no scatter to judge a difference by")
    ]
