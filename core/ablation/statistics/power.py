"""Power: the difference that a study can see, the seeds and items that it needs, and the test of equivalence."""

from __future__ import annotations

import math
from functools import lru_cache

from attrs import frozen

from .intervals import normal_quantile, t_quantile
from .library import scipy_module

POWER = 0.8
"""The chance of seeing a difference that is called detectable."""


@frozen
class Equivalence:
    """A test of equivalence: the interval at level 1 - 2·alpha, and whether it lies inside ±``margin``."""

    margin: float
    low: float
    high: float
    p: float
    within: bool


def equivalence(mean: float, se: float, df: float, margin: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided t tests that a mean lies inside ±margin (Schuirmann 1987). The margin must be set beforehand.

    Raises ``ValueError`` where the margin or the standard error is not positive.
    """
    if margin <= 0 or se <= 0:
        raise ValueError("equivalence needs a positive margin and a positive standard error")
    t = scipy_module("stats").t
    half = t_quantile(1 - alpha, df) * se
    p = max(float(t.sf((mean + margin) / se, df)), float(t.cdf((mean - margin) / se, df)))
    return Equivalence(margin, mean - half, mean + half, p, p < alpha)


def power_of(shift: float, df: float, alpha: float = 0.05) -> float:
    """The chance that a two-sided t test rejects 0 where the mean is ``shift`` standard errors away (noncentral t).

    It integrates over the estimated scatter: scipy's own noncentral t gives NaN for few degrees of freedom and a
    distant mean.
    """
    special = scipy_module("special")
    critical = t_quantile(1 - alpha / 2, df)

    def given_scatter(probability: float) -> float:
        bound = critical * math.sqrt(float(special.chdtri(df, 1 - probability)) / df)
        return float(special.ndtr(shift - bound) + special.ndtr(-shift - bound))

    return float(scipy_module("integrate").quad(given_scatter, 0, 1, limit=200)[0])


@lru_cache(maxsize=256)
def detectable_shift(df: float, power: float = POWER, alpha: float = 0.05) -> float:
    """The distance of a mean from 0, in standard errors, that a two-sided t test sees with this power."""
    if not alpha < power < 1:
        raise ValueError(f"the power must lie between alpha ({alpha}) and 1, got {power}")
    likely = 1 - (1 - power) / 2  # at this distance, scatter and mean each allow it with a chance of `likely`
    scatter = math.sqrt(float(scipy_module("stats").chi2.ppf(likely, df)) / df)
    far = t_quantile(1 - alpha / 2, df) * scatter + normal_quantile(likely)
    root = scipy_module("optimize").brentq(lambda shift: power_of(shift, df, alpha) - power, 0, far, xtol=1e-9)
    return float(root)


def detectable_difference(sd: float, seeds: int, cells: int = 2, *, power: float = POWER, alpha: float = 0.05) -> float:
    """The least difference of two designs that a study sees with this power.

    sd: standard deviation over seeds of *one* design, beyond what all designs share; a paired difference has √2 times
    that. With more than two cells their scatter is pooled, as the block analysis does.
    """
    _check_size(seeds, cells)
    return detectable_shift((cells - 1) * (seeds - 1), power, alpha) * sd * math.sqrt(2 / seeds)


def expected_half_width(sd: float, seeds: int, cells: int = 2, alpha: float = 0.05) -> float:
    """The median half-width of the interval of a difference, by the block analysis; ``sd`` as above."""
    _check_size(seeds, cells)
    df = (cells - 1) * (seeds - 1)
    scatter = math.sqrt(float(scipy_module("stats").chi2.median(df)) / df)
    return t_quantile(1 - alpha / 2, df) * scatter * sd * math.sqrt(2 / seeds)


def seeds_needed(difference: float, sd: float, cells: int = 2, *, power: float = POWER, alpha: float = 0.05) -> int:
    """The least number of seeds with which a difference of two designs is detectable; ``sd`` as above.

    Raises ``ValueError`` where the difference or the standard deviation is not positive.
    """
    if difference <= 0 or sd <= 0:
        raise ValueError("the difference and the standard deviation must be positive")
    low, high = 1, 2
    while detectable_difference(sd, high, cells, power=power, alpha=alpha) > difference:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        seen = detectable_difference(sd, middle, cells, power=power, alpha=alpha) <= difference
        low, high = (low, middle) if seen else (middle, high)
    return high


def items_needed(difference: float, sd: float, *, power: float = POWER, alpha: float = 0.05) -> int:
    """The number of paired items with which a difference of two models is detectable (Miller 2024, section 5).

    sd: standard deviation of the difference of one item, sd·√(2·(1 - ρ)) for items of equal sd and correlation ρ.
    """
    if difference <= 0 or sd <= 0:
        raise ValueError("the difference and the standard deviation must be positive")
    return math.ceil(((normal_quantile(1 - alpha / 2) + normal_quantile(power)) * sd / difference) ** 2)


def _check_size(seeds: int, cells: int) -> None:
    if seeds < 2 or cells < 2:
        raise ValueError(f"scatter needs at least 2 seeds and 2 cells, got {seeds} and {cells}")
