"""Scores that are not means of items: ratios of sums, such as F1, and weighted sums of ratios, with their intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from statistics import NormalDist

from attrs import evolve, frozen
from janiform import Item, Score, mean_score

_Z = NormalDist().inv_cdf(0.975)


@frozen
class Ratio:
    """A weighted ratio of two sums, each by cluster: ``weight`` · Σ numerator / Σ denominator."""

    numerator: Mapping[str, float]
    denominator: Mapping[str, float]
    weight: float = 1.0

    @property
    def value(self) -> float:
        return self.weight * sum(self.numerator.values()) / sum(self.denominator.values())


def by_metric(items: Iterable[Item]) -> dict[str, list[Item]]:
    """The items of each metric."""
    result: dict[str, list[Item]] = {}
    for item in items:
        result.setdefault(item.metric, []).append(item)
    return result


def means(items: Iterable[Item]) -> dict[str, Score]:
    """The mean of each metric."""
    return {name: mean_score(members) for name, members in by_metric(items).items()}


def sums(items: Iterable[Item], factor: float = 1.0) -> dict[str, float]:
    """The sums of the values of items by cluster, times a factor."""
    result: defaultdict[str, float] = defaultdict(float)
    for item in items:
        result[item.cluster] += factor * item.value
    return dict(result)


def counts(items: Iterable[Item]) -> dict[str, float]:
    """The numbers of items by cluster."""
    result: defaultdict[str, float] = defaultdict(float)
    for item in items:
        result[item.cluster] += 1
    return dict(result)


def added(*sums: Mapping[str, float]) -> dict[str, float]:
    """Sums by cluster, added."""
    result: defaultdict[str, float] = defaultdict(float)
    for each in sums:
        for cluster, value in each.items():
            result[cluster] += value
    return dict(result)


def sum_of_ratios(ratios: Sequence[Ratio], count: int, high: float = 1.0) -> Score:
    """The sum of ratios, from 0 to ``high``, with a 95 % interval.

    The standard error is that of the linearised sum (Taylor series), clustered: ratios may share clusters, such as the
    pictures that all splits of POPE ask about. At 0 and at ``high`` it is Wilson's interval over the clusters.
    """
    value = sum(ratio.value for ratio in ratios)
    residuals: defaultdict[str, float] = defaultdict(float)
    for ratio in ratios:
        total = sum(ratio.denominator.values())
        for cluster, part in ratio.numerator.items():
            residuals[cluster] += ratio.weight * part / total
        for cluster, part in ratio.denominator.items():
            residuals[cluster] -= ratio.value * part / total
    clusters = len(residuals)
    if value <= 0 or value >= high:
        return scaled(mean_score([Item("", name, name, float(value > 0)) for name in residuals]), high, count)
    if clusters < 2:
        return Score(value, count)
    error = sqrt(clusters / (clusters - 1) * sum(residual**2 for residual in residuals.values()))
    return Score(value, count, max(0.0, value - _Z * error), min(high, value + _Z * error))


def scaled(score: Score, factor: float, count: int | None = None) -> Score:
    """The score and its limits times a factor, over ``count`` items where that is given."""
    low, high = (None if limit is None else limit * factor for limit in (score.low, score.high))
    return evolve(score, value=score.value * factor, low=low, high=high, count=count or score.count)
