"""Adjusted p values: the probes, the closed test, and scipy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from janiform.ablation.statistics.adjust import benjamini_hochberg, holm
from scipy import stats

P = [0.01, 0.04, 0.03, 0.005, 0.2]


def test_adjusted_p_values_are_those_of_the_probe() -> None:
    assert holm(P) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])
    assert benjamini_hochberg(P) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.2])


def closed_test(p_values: np.ndarray) -> list[float]:
    """Holm's p: the largest Bonferroni p of any set of hypotheses that contains the one in question."""
    return [
        max(
            min(1.0, size * min(p_values[list(members)]))
            for size in range(1, len(p_values) + 1)
            for members in combinations(range(len(p_values)), size)
            if i in members
        )
        for i in range(len(p_values))
    ]


@pytest.mark.parametrize("trial", range(20))
def test_random_p_values_agree_with_the_closed_test_and_with_scipy(trial: int) -> None:
    rng = np.random.default_rng(trial)
    p_values = np.round(rng.random(int(rng.integers(1, 9))) ** 2, 2)  # rounded, so that some are equal
    assert holm(p_values) == pytest.approx(closed_test(p_values))
    assert benjamini_hochberg(p_values) == pytest.approx(list(stats.false_discovery_control(p_values)))


@pytest.mark.parametrize("p_values", [[0.5, 1.2], [-0.1], [float("nan")]])
def test_values_that_are_not_probabilities_are_refused(p_values: list[float]) -> None:
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(ValueError, match=r"between 0 and 1|finite"):
            adjust(p_values)
