"""Intervals and tests of a mean by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from .library import scipy_module

FloatArray: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = Sequence[float] | FloatArray

ROUNDING = 1e-12
"""Scatter below this share of the largest value is rounding, and counts as 0."""


@frozen
class Interval:
    """An estimate and its confidence interval."""

    value: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        """True where a value lies in the interval, ends included."""
        return self.low <= value <= self.high


@frozen
class MeanDifference:
    """A mean difference, its interval, and the two-sided t test against 0.

    ``sd``: standard deviation of one difference; ``se``: standard error of the mean of ``count`` differences. Where
    they have no scatter at all, ``se`` is 0, the interval is the mean alone, and ``t`` and ``p`` are None.
    """

    mean: float
    sd: float
    se: float
    df: int
    count: int
    low: float
    high: float
    t: float | None
    p: float | None

    def contains(self, value: float) -> bool:
        """True where a value lies in the interval, ends included."""
        return self.low <= value <= self.high


def as_vector(values: Numbers) -> FloatArray:
    """Values as float64. Raises ``ValueError`` where they are not one row of finite numbers."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"expected one row of values, got the shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError("all values must be finite")
    return vector


def spread(values: FloatArray, scale: float = 0.0) -> float:
    """The standard deviation of a sample, with n - 1; 0 where only rounding differs, or there is a single value.

    scale: the largest number that the values were computed from, where it is larger than they are.
    """
    if values.size < 2:
        return 0.0
    sd = float(values.std(ddof=1))
    return sd if sd > ROUNDING * max(scale, float(np.abs(values).max())) else 0.0


def t_quantile(probability: float, df: float) -> float:
    """A quantile of Student's t."""
    return float(scipy_module("stats").t.ppf(probability, df))


def normal_quantile(probability: float) -> float:
    """A quantile of the standard normal distribution."""
    return float(scipy_module("stats").norm.ppf(probability))


def t_difference(mean: float, sd: float, se: float, df: int, count: int, alpha: float) -> MeanDifference:
    """The interval and test of a mean whose standard error has ``df`` degrees of freedom (Student 1908)."""
    if se == 0:
        return MeanDifference(mean, 0.0, 0.0, df, count, mean, mean, None, None)
    half, t = t_quantile(1 - alpha / 2, df) * se, mean / se
    p = 2 * float(scipy_module("stats").t.sf(abs(t), df))
    return MeanDifference(mean, sd, se, df, count, mean - half, mean + half, t, p)


def mean_interval(values: Numbers, alpha: float = 0.05) -> Interval:
    """The t interval of a mean over seeds (Student 1908). Raises ``ValueError`` for fewer than 2 values."""
    vector = as_vector(values)
    if vector.size < 2:
        raise ValueError("an interval needs at least 2 values")
    mean = float(vector.mean())
    half = t_quantile(1 - alpha / 2, vector.size - 1) * spread(vector) / math.sqrt(vector.size)
    return Interval(mean, mean - half, mean + half)
