"""Two designs over seeds: the paired t interval, and exact tests by enumeration."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from .intervals import ROUNDING, FloatArray, MeanDifference, Numbers, as_vector, spread, t_difference

MOST_SEEDS = 20
"""Differences up to this number have their signs enumerated: about a million sums."""

MOST_SPLITS = 200_000
"""Splits up to this number are enumerated: two designs with 10 seeds each have 184,756."""


def paired_difference(first: Numbers, second: Numbers, alpha: float = 0.05) -> MeanDifference:
    """first - second, paired by seed: the t interval of the mean difference (Student 1908).

    Raises ``ValueError`` where the lengths differ or there are fewer than 2 pairs.
    """
    a, b = as_vector(first), as_vector(second)
    if a.size != b.size:
        raise ValueError(f"pairs need equally many values, got {a.size} and {b.size}")
    differences, count = a - b, a.size
    if count < 2:
        raise ValueError("an interval needs at least 2 pairs")
    sd = spread(differences, scale=float(np.abs([a, b]).max()))
    return t_difference(float(differences.mean()), sd, sd / math.sqrt(count), count - 1, count, alpha)


def unpaired_error(first: Numbers, second: Numbers) -> float:
    """The standard error of the difference of two means as if their seeds or items were not paired (Welch 1947)."""
    a, b = as_vector(first), as_vector(second)
    return math.sqrt(spread(a) ** 2 / a.size + spread(b) ** 2 / b.size)


def sign_flip_p(differences: Numbers) -> float:
    """The share of the 2^S sign vectors whose mean is at least as far from 0 (Fisher 1935), two-sided and exact.

    Raises ``ValueError`` for more than 20 differences.
    """
    vector = as_vector(differences)
    if vector.size > MOST_SEEDS:
        raise ValueError(f"signs of at most {MOST_SEEDS} differences are enumerated, got {vector.size}")
    sums = np.zeros(1)
    for difference in vector:
        sums = np.concatenate([sums + difference, sums - difference])
    return _share_as_far(sums, float(vector.sum()), float(np.abs(vector).sum()))


def sign_flip_floor(seeds: int) -> float:
    """The least p that the sign-flip test can give: all signs agree."""
    return 2.0 ** (1 - seeds)


def unpaired_p(first: Numbers, second: Numbers) -> float:
    """The share of all splits of the pooled values whose means differ at least as much (Pitman 1937), exact.

    Raises ``ValueError`` for more than 200,000 splits.
    """
    a, b = as_vector(first), as_vector(second)
    pooled, size = np.concatenate([a, b]), a.size
    splits = math.comb(pooled.size, size)
    if splits > MOST_SPLITS:
        raise ValueError(f"at most {MOST_SPLITS} splits are enumerated, got {splits}")
    chosen = np.array(list(combinations(range(pooled.size), size)))
    # The difference of means is a linear function of the first group's sum, centred on its mean over all splits.
    centred = pooled - pooled.mean()
    return _share_as_far(centred[chosen].sum(axis=1), float(centred[:size].sum()), float(np.abs(pooled).sum()))


def unpaired_floor(seeds: int) -> float:
    """The least p that the unpaired exact test can give with S seeds in each design: no values overlap."""
    return 2 / math.comb(2 * seeds, seeds)


def same_sign(differences: Numbers) -> int:
    """The number of differences that have the sign of their mean."""
    vector = as_vector(differences)
    return int((np.sign(vector) == np.sign(vector.mean())).sum()) if vector.mean() else 0


def _share_as_far(sums: FloatArray, observed: float, scale: float) -> float:
    """Ties count, also where another order of addition rounds them differently."""
    return float((np.abs(sums) >= abs(observed) - ROUNDING * scale).mean())
