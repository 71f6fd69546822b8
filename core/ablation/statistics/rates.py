"""Standard errors and intervals of one model's rate over items."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .intervals import FloatArray, Interval, Numbers, as_vector, normal_quantile


def wilson_interval(successes: int, count: int, alpha: float = 0.05) -> Interval:
    """The score interval of a rate over independent items (Wilson 1927)."""
    if not 0 <= successes <= count or count == 0:
        raise ValueError(f"{successes} of {count} is not a valid rate")
    z, rate = normal_quantile(1 - alpha / 2), successes / count
    scale = 1 + z * z / count
    centre = (rate + z * z / (2 * count)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    low = 0.0 if successes == 0 else centre - half  # exact at the ends, where rounding would leave 1e-17
    return Interval(rate, low, 1.0 if successes == count else centre + half)


def clustered_error(values: Numbers, clusters: Sequence[str]) -> float:
    """The standard error of a mean whose items depend on one another within clusters (Miller 2024, equation 4).

    Raises ``ValueError`` for fewer than 2 items.
    """
    deviations = as_vector(values) - np.mean(values)
    count = deviations.size
    if count < 2:
        raise ValueError("a standard error needs at least 2 items")
    squares = float((deviations**2).sum())
    sums = _sums(deviations, clusters)
    variance = squares / (count - 1) / count + (float((sums**2).sum()) - squares) / count**2
    return math.sqrt(max(0.0, variance))


def categories_error(categories: Sequence[Sequence[Numbers]]) -> float:
    """The standard error of the mean of K categories, whose items come in clusters: the pictures of one prompt.

    The squared errors of the categories, each over the means of its clusters, are summed and divided by K². Raises
    ``ValueError`` where a category has fewer than 2 clusters.
    """
    total = 0.0
    for clusters in categories:
        means = np.array([np.mean(as_vector(cluster)) for cluster in clusters])
        if means.size < 2:
            raise ValueError("a standard error needs at least 2 clusters in each category")
        total += float(means.var(ddof=1)) / means.size
    return math.sqrt(total) / len(categories)


def _sums(deviations: FloatArray, clusters: Sequence[str]) -> FloatArray:
    if len(clusters) != deviations.size:
        raise ValueError(f"expected one cluster per item ({deviations.size}), got {len(clusters)}")
    members: defaultdict[str, float] = defaultdict(float)
    for deviation, cluster in zip(deviations, clusters, strict=True):
        members[cluster] += float(deviation)
    return np.array(list(members.values()))
