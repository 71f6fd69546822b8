"""Two models on the same items: the paired difference with clustered errors, and McNemar's test of verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from attrs import frozen

from ...errors import Problem, UsageError
from ...evaluate.intervals import clustered_error
from .intervals import FloatArray, normal_quantile, spread
from .library import scipy_module


class ItemValue(Protocol):
    """An item of an evaluation, as ``janiform eval --items`` writes it: one metric, all items different."""

    @property
    def item(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def value(self) -> float: ...


@frozen
class McNemar:
    """The test of two models' verdicts on the same items. ``only_first``: right by the first model alone."""

    only_first: int
    only_second: int
    p: float
    mid_p: float


@frozen
class ItemComparison:
    """first - second over the items that both models have; it judges these weights, not their designs.

    ``se``: clustered where clusters have several items; ``low`` and ``high``: the normal interval. ``correlation``: of
    the two models' values, None where one has no scatter. ``mcnemar``: where all values are 0 or 1 and every item is a
    cluster of its own.
    """

    count: int
    clusters: int
    mean_first: float
    mean_second: float
    difference: float
    se: float
    low: float
    high: float
    correlation: float | None
    mcnemar: McNemar | None


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """McNemar's exact test (1947) of items on which two models disagree, and its mid-p (Fagerland et al. 2013)."""
    binomial, fewer = scipy_module("stats").binom(only_first + only_second, 0.5), min(only_first, only_second)
    both = 2 * float(binomial.cdf(fewer))
    return McNemar(only_first, only_second, min(1.0, both), min(1.0, both - float(binomial.pmf(fewer))))


def paired_items(first: Iterable[ItemValue], second: Iterable[ItemValue], alpha: float = 0.05) -> ItemComparison:
    """Two models, joined by item (Miller 2024, sections 3 and 4).

    Raises ``UsageError`` where an item occurs twice, is missing on one side or has another cluster there, or where
    there are fewer than 2.
    """
    pairs = _joined(list(first), list(second))
    if len(pairs) < 2:
        raise UsageError(f"a comparison by items needs at least 2 items, got {len(pairs)}")
    a = np.array([one.value for one, _ in pairs], dtype=np.float64)
    b = np.array([other.value for _, other in pairs], dtype=np.float64)
    clusters = [one.cluster for one, _ in pairs]
    number = len(set(clusters))
    difference = float((a - b).mean())
    se = clustered_error((a - b).tolist(), clusters)
    half = normal_quantile(1 - alpha / 2) * se
    return ItemComparison(
        count=len(pairs),
        clusters=number,
        mean_first=float(a.mean()),
        mean_second=float(b.mean()),
        difference=difference,
        se=se,
        low=difference - half,
        high=difference + half,
        correlation=_correlation(a, b),
        mcnemar=_verdicts(a, b) if number == len(pairs) else None,
    )


def _joined(first: Sequence[ItemValue], second: Sequence[ItemValue]) -> list[tuple[ItemValue, ItemValue]]:
    by_id = [_by_id(first, "first"), _by_id(second, "second")]
    problems = []
    for name, here, there in (("first", *by_id), ("second", *reversed(by_id))):
        if missing := [item for item in here if item not in there]:
            problems.append(Problem(f"{_counted(missing, len(here))} of the {name} model are missing in the other"))
    if problems:
        raise UsageError(problems)
    pairs = [(one, by_id[1][item]) for item, one in by_id[0].items()]
    if moved := [one.item for one, other in pairs if one.cluster != other.cluster]:
        raise UsageError(f"{_counted(moved, len(pairs))} have another cluster in the second model")
    return pairs


def _by_id(items: Sequence[ItemValue], name: str) -> dict[str, ItemValue]:
    by_id = {item.item: item for item in items}
    if len(by_id) < len(items):
        raise UsageError(
            f"{len(items) - len(by_id)} of {len(items)} items of the {name} model repeat an id: give one metric only"
        )
    if invalid := [item.item for item in items if not math.isfinite(item.value)]:
        raise UsageError(f"{_counted(invalid, len(items))} of the {name} model have no finite value")
    return by_id


def _counted(ids: Sequence[str], total: int) -> str:
    return f"{len(ids)} of {total} items ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})"


def _correlation(a: FloatArray, b: FloatArray) -> float | None:
    return float(np.corrcoef(a, b)[0, 1]) if spread(a) and spread(b) else None


def _verdicts(a: FloatArray, b: FloatArray) -> McNemar | None:
    if not np.isin(np.concatenate([a, b]), (0, 1)).all():
        return None
    return mcnemar(int((a > b).sum()), int((a < b).sum()))
