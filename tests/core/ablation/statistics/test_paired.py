"""Paired intervals and exact tests: the probe vectors P1 and P2, scipy on random values, and what cannot be tested."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from janiform.ablation.statistics.intervals import mean_interval, t_quantile
from janiform.ablation.statistics.paired import (
    paired_difference,
    same_sign,
    sign_flip_floor,
    sign_flip_p,
    unpaired_error,
    unpaired_floor,
    unpaired_p,
)
from scipy import stats

A, B = [0.62, 0.58, 0.65, 0.60, 0.61], [0.57, 0.56, 0.58, 0.59, 0.55]


def test_five_seeds_have_the_interval_of_the_probe() -> None:
    difference = paired_difference(A, B)
    assert difference.mean == pytest.approx(0.042, abs=1e-12)
    assert difference.sd == pytest.approx(0.025884, abs=5e-7)
    assert difference.se == pytest.approx(0.011576, abs=5e-7)
    assert difference.t == pytest.approx(3.628247, abs=5e-7)
    assert difference.p == pytest.approx(0.022194, abs=5e-7)
    assert (difference.low, difference.high) == pytest.approx((0.00986, 0.07414), abs=5e-6)
    assert (difference.df, difference.count) == (4, 5)
    assert unpaired_error(A, B) == pytest.approx(0.013565, abs=5e-7)


def test_three_seeds_have_the_interval_of_the_probe() -> None:
    difference = paired_difference([0.05, 0.02, 0.07], [0.0, 0.0, 0.0])
    assert difference.mean == pytest.approx(0.046667, abs=5e-7)
    assert difference.sd == pytest.approx(0.025166, abs=5e-7)
    assert (difference.low, difference.high) == pytest.approx((-0.015849, 0.109183), abs=5e-7)
    assert difference.p == pytest.approx(0.084791, abs=5e-7)
    assert sign_flip_p([0.05, 0.02, 0.07]) == 0.25


def test_exact_tests_give_the_p_of_the_probe() -> None:
    assert sign_flip_p(np.subtract(A, B)) == 0.0625
    assert unpaired_p(A, B) == pytest.approx(0.02381, abs=5e-6)
    assert unpaired_p(A, B) == pytest.approx(6 / 252)


@pytest.mark.parametrize(("seeds", "floor"), [(3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125)])
def test_the_sign_flip_test_has_its_floor(seeds: int, floor: float) -> None:
    assert sign_flip_floor(seeds) == floor
    assert sign_flip_p(np.linspace(1, 2, seeds)) == floor


@pytest.mark.parametrize(("seeds", "floor"), [(3, 0.1), (4, 0.0286), (5, 0.0079)])
def test_the_unpaired_exact_test_has_its_floor(seeds: int, floor: float) -> None:
    assert unpaired_floor(seeds) == pytest.approx(floor, abs=5e-5)
    assert unpaired_p(np.linspace(1, 2, seeds), np.linspace(3, 4, seeds)) == pytest.approx(unpaired_floor(seeds))


@pytest.mark.parametrize(
    ("df", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (7, 2.3646), (9, 2.2622)],
)
def test_quantiles_of_t_are_those_of_the_table(df: int, quantile: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(quantile, abs=5e-5)


@pytest.mark.parametrize("trial", range(20))
def test_random_pairs_agree_with_scipy(trial: int) -> None:
    rng = np.random.default_rng(trial)
    seeds, alpha = int(rng.integers(2, 9)), float(rng.uniform(0.01, 0.2))
    a, b = rng.normal(0.5, 0.1, seeds), rng.normal(0.5, 0.1, seeds)
    ours, theirs = paired_difference(a, b, alpha), stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(1 - alpha)
    assert (ours.t, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    alone, mean = stats.ttest_1samp(a, 0).confidence_interval(1 - alpha), mean_interval(a, alpha)
    assert (mean.low, mean.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize("trial", range(10))
def test_exact_tests_agree_with_scipys_enumeration(trial: int) -> None:
    rng = np.random.default_rng(trial)
    # Whole numbers have ties, which must count as equally far, and scipy adds them without rounding.
    a, b = rng.integers(0, 6, int(rng.integers(2, 6))), rng.integers(2, 8, 4)
    differences = rng.integers(-2, 4, int(rng.integers(2, 9)))

    def exact(samples: tuple[np.ndarray, ...], statistic: Callable[..., float], kind: str) -> float:
        test = stats.permutation_test(
            samples, statistic, permutation_type=kind, n_resamples=np.inf, alternative="greater"
        )
        return float(test.pvalue)

    flipped = exact((differences,), lambda d: abs(np.sum(d)), "samples")
    split = exact((a, b), lambda x, y: abs(np.sum(x) * len(y) - np.sum(y) * len(x)), "independent")
    for unit in (1.0, 0.1, 1e-7):  # in these units the sums are rounded
        assert sign_flip_p(differences * unit) == pytest.approx(flipped)
        assert unpaired_p(a * unit, b * unit) == pytest.approx(split)


def test_differences_without_scatter_have_no_test_and_no_nan() -> None:
    shifted = paired_difference([0.62, 0.58, 0.65], [0.57, 0.53, 0.60])  # differ by 0.05 and rounding
    equal = paired_difference([0.1 + 0.2, 0.3, 0.3], [0.3, 0.3, 0.3])  # differ by rounding alone
    for difference in (shifted, equal):
        assert (difference.sd, difference.se, difference.t, difference.p) == (0, 0, None, None)
        assert difference.low == difference.mean == difference.high
    assert shifted.mean == pytest.approx(0.05)
    assert equal.mean == pytest.approx(0, abs=1e-15)


def test_signs_are_counted_against_the_mean() -> None:
    assert same_sign([0.3, 0.1, -0.1, 0.2, 0.0]) == 3
    assert same_sign([-0.3, 0.1, -0.1]) == 2
    assert same_sign([0.0, 0.0]) == 0


def test_values_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="got 2 and 3"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="at least 2 pairs"):
        paired_difference([1], [2])
    with pytest.raises(ValueError, match="finite"):
        paired_difference([1, float("nan")], [1, 2])
    with pytest.raises(ValueError, match="at most 20 differences"):
        sign_flip_p(np.ones(21))
    with pytest.raises(ValueError, match="at most 200000 splits"):
        unpaired_p(np.ones(11), np.ones(11))
