"""Errors and intervals of rates: Wilson's probes, clustered errors (P6) and means of categories (P7)."""

from __future__ import annotations

import numpy as np
import pytest
from janiform.ablation.statistics.rates import categories_error, clustered_error, wilson_interval
from scipy import stats


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(8, 10, 0.490162, 0.943318), (0, 20, 0, 0.161125), (20, 20, 0.838875, 1), (372, 400, 0.900691, 0.951128)],
)
def test_wilsons_intervals_are_those_of_the_probe(successes: int, count: int, low: float, high: float) -> None:
    interval = wilson_interval(successes, count)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-7)
    assert interval.value == successes / count


@pytest.mark.parametrize("trial", range(20))
def test_wilsons_intervals_agree_with_scipy(trial: int) -> None:
    rng = np.random.default_rng(trial)
    count, alpha = int(rng.integers(1, 500)), float(rng.uniform(0.01, 0.3))
    successes = int(rng.integers(0, count + 1))
    interval = wilson_interval(successes, count, alpha)
    expected = stats.binomtest(successes, count).proportion_ci(1 - alpha, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("successes", "count"), [(0, 0), (3, 2), (-1, 2)])
def test_counts_that_are_not_a_rate_are_refused(successes: int, count: int) -> None:
    with pytest.raises(ValueError, match="not a valid rate"):
        wilson_interval(successes, count)


def test_clustered_errors_are_those_of_the_probe() -> None:
    values = [float(digit) for digit in "111000001011"]
    assert clustered_error(values, [str(item) for item in range(12)]) == pytest.approx(0.150756, abs=5e-7)
    assert clustered_error(values, list("aaaabbbbcccc")) == pytest.approx(0.208712, abs=5e-7)
    means = np.reshape(values, (3, 4)).mean(axis=1)
    assert stats.sem(means) == pytest.approx(0.25)


@pytest.mark.parametrize("trial", range(10))
def test_clustered_errors_agree_with_the_sum_over_pairs_of_items(trial: int) -> None:
    rng = np.random.default_rng(trial)
    count = int(rng.integers(2, 40))
    values, clusters = rng.random(count), [str(number) for number in rng.integers(0, 8, count)]
    deviations = values - values.mean()
    pairs = sum(
        deviations[i] * deviations[j]
        for i in range(count)
        for j in range(count)
        if i != j and clusters[i] == clusters[j]
    )
    expected = np.sqrt(max(0, values.var(ddof=1) / count + pairs / count**2))
    assert clustered_error(values, clusters) == pytest.approx(expected)
    assert clustered_error(values, list(map(str, range(count)))) == pytest.approx(stats.sem(values))


def test_the_error_of_a_mean_of_categories_is_that_of_the_probe() -> None:
    assert categories_error([[[1, 1], [1, 0]], [[0, 0], [1, 0]]]) == pytest.approx(0.176777, abs=5e-7)


def test_categories_of_single_items_have_the_error_of_a_mean_of_means() -> None:
    first, second = np.random.default_rng(0).random((2, 9))
    expected = np.hypot(stats.sem(first), stats.sem(second)) / 2
    assert categories_error([first[:, None], second[:, None]]) == pytest.approx(expected)


def test_errors_need_two_items_or_clusters() -> None:
    with pytest.raises(ValueError, match="at least 2 items"):
        clustered_error([1.0], ["a"])
    with pytest.raises(ValueError, match="at least 2 clusters"):
        categories_error([[[1, 1]]])
    with pytest.raises(ValueError, match="one cluster per item"):
        clustered_error([1.0, 0.0], ["a"])
