"""Ratios of sums and their intervals: exact values, and intervals that hold in simulations."""

from __future__ import annotations

import random

import pytest
from janiform import Item, mean_score
from janiform_plugins.benchmarks.estimates import Ratio, added, counts, scaled, sum_of_ratios, sums


def items(values: list[float], size: int = 1) -> list[Item]:
    return [Item("m", str(number), str(number // size), value) for number, value in enumerate(values)]


def test_the_ratio_of_a_sum_and_a_count_is_the_mean() -> None:
    given = items([1, 0, 1, 1, 0, 0, 1, 1], 2)
    score = sum_of_ratios([Ratio(sums(given), counts(given))], 8)
    assert (score.value, score.count) == (mean_score(given).value, 8)
    # The clusters' deviations from 5/8 are -1/4, 3/4, -5/4 and 3/4.
    error = (4 / 3 * (1 / 16 + 9 / 16 + 25 / 16 + 9 / 16)) ** 0.5 / 8
    assert (score.low, score.high) == pytest.approx((0.625 - 1.959964 * error, min(1, 0.625 + 1.959964 * error)))


def test_the_ends_have_wilsons_interval_over_the_clusters() -> None:
    given = items([1] * 20, 2)
    score = sum_of_ratios([Ratio(sums(given), counts(given), 100), Ratio(sums(given), counts(given), 100)], 20, 200)
    assert (score.value, score.high, score.count) == (200, 200, 20)
    assert score.low == pytest.approx(200 * (mean_score(items([1] * 10)).low or 0))
    given = items([0] * 4)
    assert sum_of_ratios([Ratio(sums(given), counts(given))], 4).low == 0.0
    single = items([1, 0], 2)
    assert sum_of_ratios([Ratio(sums(single), counts(single))], 2).low is None


def test_the_interval_of_f1_holds_its_true_value() -> None:
    """Questions of a picture depend on one another; F1 of infinitely many pictures is that of a large sample."""
    chance = random.Random(5)

    def sample(pictures: int) -> Ratio:
        true, said = [], []
        for number in range(pictures):
            skill = chance.choice([0.6, 0.95])
            for label in (1, 1, 1, 0, 0, 0):
                yes = label if chance.random() < skill else 1 - label
                if yes:
                    said.append(Item("p", "", str(number), float(label)))
                if label:
                    true.append(Item("r", "", str(number), float(yes)))
        return Ratio(sums(said, 2), added(counts(said), counts(true)))

    truth = sample(30_000).value
    scores = [sum_of_ratios([sample(60)], 360) for _ in range(300)]
    covered = sum((score.low or 0) <= truth <= (score.high or 0) for score in scores) / len(scores)
    assert 0.91 <= covered <= 0.98


def test_scores_are_scaled_with_their_limits() -> None:
    score = scaled(mean_score(items([1, 0, 1])), 100, 7)
    assert (score.value, score.count) == (pytest.approx(200 / 3), 7)
    assert (score.low or 0) > 1
