"""Intervals and errors of rates against scipy and sums over pairs, on random values."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from janiform import Item, mean_of_categories
from janiform.evaluate.intervals import clustered_error, wilson
from scipy import stats


@pytest.mark.parametrize("trial", range(20))
def test_wilsons_intervals_agree_with_scipy(trial: int) -> None:
    rng = np.random.default_rng(trial)
    count = int(rng.integers(1, 500))
    successes = int(rng.integers(0, count + 1))
    expected = stats.binomtest(successes, count).proportion_ci(0.95, method="wilson")
    assert wilson(successes / count, count) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (1.5, 2), (-0.5, 2)])
def test_what_is_not_a_share_is_refused(share: float, count: int) -> None:
    with pytest.raises(ValueError, match="not a valid share"):
        wilson(share, count)


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
    assert clustered_error(values.tolist(), clusters) == pytest.approx(expected)
    assert clustered_error(values.tolist(), list(map(str, range(count)))) == pytest.approx(stats.sem(values))


def test_categories_of_single_items_have_the_error_of_a_mean_of_means() -> None:
    categories = np.random.default_rng(0).random((2, 9))
    items = [[Item("m", str(number), str(number), value) for number, value in enumerate(row)] for row in categories]
    score = mean_of_categories(items)
    half = NormalDist().inv_cdf(0.975) * np.hypot(*(stats.sem(row) for row in categories)) / 2
    assert (score.low, score.high) == pytest.approx((categories.mean() - half, categories.mean() + half))


def test_errors_need_two_items_and_a_cluster_for_each() -> None:
    with pytest.raises(ValueError, match="at least 2 items"):
        clustered_error([1.0], ["a"])
    with pytest.raises(ValueError, match="one cluster per item"):
        clustered_error([1.0, 0.0], ["a"])
