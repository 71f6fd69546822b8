"""Means of items with their 95 % intervals. Without scipy and without torch.

n items    K categories    z = 1.96, the normal quantile
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from math import sqrt
from statistics import NormalDist

from ..contracts import Item, Score

_Z = NormalDist().inv_cdf(0.975)


def mean_score(items: Sequence[Item]) -> Score:
    """The mean of items with a 95 % interval; raises ``ValueError`` where there are none.

    Wilson's interval where the values are 0 or 1 and every item is a cluster of its own; the normal interval with
    clustered standard errors (Miller, arXiv:2411.00640, equation 4) where clusters repeat or values are not binary.
    There is none for fewer than two clusters, except Wilson's.
    """
    values, clusters = [item.value for item in items], [item.cluster for item in items]
    if not values:
        raise ValueError("a mean needs at least one item")
    mean, count = sum(values) / len(values), len(set(clusters))
    binary = _binary(values)
    if binary and (count == len(values) or mean in (0, 1)):
        # Without any spread the clusters, of which there are fewer than items, are all that was observed.
        return Score(mean, len(values), *wilson(mean, count))
    error = clustered_error(values, clusters) if count > 1 else None
    return _normal(mean, len(values), error, bounded=binary)


def mean_of_categories(categories: Sequence[Sequence[Item]]) -> Score:
    """The unweighted mean of the means of K categories with a 95 % interval; the categories are independent.

    The squared standard error is that of the categories, summed and divided by K², each over its clusters, such as
    prompts. There is no interval where a category has fewer than two clusters. Raises ``ValueError`` where there is no
    category or an empty one.
    """
    if not categories or not all(categories):
        raise ValueError("a mean of categories needs at least one category, and one item in each")
    means = [sum(item.value for item in items) / len(items) for items in categories]
    mean = sum(means) / len(means)
    count = sum(map(len, categories))
    binary = _binary([item.value for item in chain(*categories)])
    if binary and mean in (0, 1):
        return Score(mean, count, *wilson(mean, sum(len({item.cluster for item in items}) for items in categories)))
    errors = [between_clusters_error(items) for items in categories]
    known = [error for error in errors if error is not None]
    error = sqrt(sum(error**2 for error in known)) / len(errors) if len(known) == len(errors) else None
    return _normal(mean, count, error, bounded=binary)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n independent trials. Raises ``ValueError`` for what is not a share."""
    if n < 1 or not 0 <= share <= 1:
        raise ValueError(f"{share} of {n} trials is not a valid share")
    scale = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / scale
    half = _Z / scale * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # Rounding must not move the limit of a share of 0 or 1 away from it.
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))


def clustered_error(values: Sequence[float], clusters: Sequence[str]) -> float:
    """The standard error of the mean of values that depend on one another within clusters (Miller, equation 4).

    Raises ``ValueError`` for fewer than two values, or another number of clusters.
    """
    n = len(values)
    if n < 2:
        raise ValueError("a standard error needs at least 2 items")
    if len(clusters) != n:
        raise ValueError(f"expected one cluster per item ({n}), got {len(clusters)}")
    mean = sum(values) / n
    deviations = [value - mean for value in values]
    sums = _sums(deviations, clusters)
    squares = sum(deviation**2 for deviation in deviations)
    between = sum(total**2 for total in sums) - squares
    return sqrt(max(0.0, squares / (n - 1) / n + between / n**2))


def between_clusters_error(items: Sequence[Item]) -> float | None:
    """The standard error of a mean over clusters, which for clusters of one size is that of their means.

    None where there are fewer than two clusters.
    """
    n = len(items)
    mean = sum(item.value for item in items) / n
    sums = _sums([item.value - mean for item in items], [item.cluster for item in items])
    clusters = len(sums)
    return sqrt(clusters / (clusters - 1) * sum(total**2 for total in sums)) / n if clusters > 1 else None


def _sums(deviations: Sequence[float], clusters: Sequence[str]) -> list[float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for deviation, cluster in zip(deviations, clusters, strict=True):
        sums[cluster] += deviation
    return list(sums.values())


def _normal(mean: float, count: int, error: float | None, *, bounded: bool) -> Score:
    if error is None:
        return Score(mean, count)
    low, high = mean - _Z * error, mean + _Z * error
    return Score(mean, count, max(0.0, low), min(1.0, high)) if bounded else Score(mean, count, low, high)


def _binary(values: Sequence[float]) -> bool:
    return all(value in (0, 1) for value in values)
