"""Means and their intervals: published formulas, computed here in other ways, and vectors from other programs."""

from __future__ import annotations

import math
import random
from statistics import NormalDist, mean, stdev

import pytest
from janiform import Item, mean_of_categories, mean_score
from janiform.evaluate.intervals import between_clusters_error, clustered_error, wilson

Z = NormalDist().inv_cdf(0.975)


def items(*clusters: str, apart: bool = False) -> list[Item]:
    """Items with the values 0 or 1 of a string per cluster; ``apart`` makes each a cluster of its own."""
    return [
        Item("m", f"{number}/{index}", f"{number}/{index}" if apart else f"{number}", float(value))
        for number, values in enumerate(clusters)
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (8, 10, 0.490162, 0.943318),
        (0, 20, 0.0, 0.161125),
        (20, 20, 0.838875, 1.0),
        (372, 400, 0.900691, 0.951128),
    ],
)
def test_independent_items_have_wilsons_interval(right: int, n: int, low: float, high: float) -> None:
    score = mean_score(items("1" * right + "0" * (n - right), apart=True))
    assert (score.value, score.count) == (right / n, n)
    assert (score.low, score.high) == pytest.approx((low, high), abs=1e-6)


def test_wilsons_limits_are_the_shares_that_a_test_would_not_reject() -> None:
    """Both limits p solve |share − p| = z·√(p(1 − p)/n), which is how the interval is defined."""
    chance = random.Random(3)
    for _ in range(50):
        n = chance.randint(1, 500)
        share = chance.randint(0, n) / n
        for limit in wilson(share, n):
            assert abs(share - limit) == pytest.approx(Z * math.sqrt(limit * (1 - limit) / n), abs=1e-9)


def test_items_of_a_cluster_depend_on_one_another() -> None:
    values, clusters = [1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1], [str(index // 4) for index in range(12)]
    assert clustered_error(values, clusters) == pytest.approx(0.208712, abs=1e-6)
    assert clustered_error(values, [str(index) for index in range(12)]) == pytest.approx(0.150756, abs=1e-6)
    assert between_clusters_error(items("1110", "0000", "1011")) == pytest.approx(0.25)
    score = mean_score(items("1110", "0000", "1011"))
    assert score.value == 0.5
    assert (score.low, score.high) == pytest.approx((0.5 - Z * 0.208712, 0.5 + Z * 0.208712), abs=1e-5)


def test_values_that_are_not_binary_have_the_usual_standard_error() -> None:
    chance = random.Random(5)
    values = [chance.gauss(9, 2) for _ in range(chance.randint(5, 60))]
    score = mean_score([Item("loss", str(index), str(index), value) for index, value in enumerate(values)])
    half = Z * stdev(values) / math.sqrt(len(values))
    assert (score.low, score.high) == pytest.approx((mean(values) - half, mean(values) + half))


def test_categories_count_equally_and_prompts_are_clusters() -> None:
    score = mean_of_categories([items("11", "10"), items("00", "10")])
    half = Z * 0.176777
    assert (score.value, score.count) == (0.5, 8)
    assert (score.low, score.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-5)
    uneven = mean_of_categories([items("1111", "1111"), items("0", "0")])
    assert uneven.value == 0.5


def test_without_any_spread_clusters_limit_what_is_known() -> None:
    """Forty pictures of twenty prompts that are all right are no better known than twenty prompts."""
    assert mean_score(items(*["11"] * 20)).low == pytest.approx(0.838875, abs=1e-6)
    together = mean_of_categories([items(*["11"] * 10), items(*["11"] * 10)])
    assert (together.low, together.high) == (pytest.approx(0.838875, abs=1e-6), 1.0)


def test_limits_of_shares_are_shares() -> None:
    score = mean_score(items("11", "11", "11", "10"))
    assert score.high == 1.0
    assert mean_of_categories([items("11", "10"), items("11", "11")]).high == 1.0


def test_one_cluster_gives_no_interval() -> None:
    assert mean_score(items("10")).low is None
    assert mean_score([Item("loss", "a", "a", 2.5)]).low is None
    assert mean_of_categories([items("10"), items("1", "0")]).low is None
    assert mean_score(items("1")).low == pytest.approx(wilson(1.0, 1)[0])


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        mean_score([])
    with pytest.raises(ValueError, match="one item in each"):
        mean_of_categories([items("1"), []])
