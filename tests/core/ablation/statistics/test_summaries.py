"""Effect sizes (P4) and interquartile means."""

from __future__ import annotations

import numpy as np
import pytest
from janiform.ablation.statistics.summaries import (
    hedges_correction,
    hedges_g,
    interquartile_mean,
    probability_of_improvement,
    standardized_mean,
)
from scipy import stats

A, B = [0.62, 0.58, 0.65, 0.60, 0.61], [0.57, 0.56, 0.58, 0.59, 0.55]


def test_effect_sizes_are_those_of_the_probe() -> None:
    differences = np.subtract(A, B)
    assert standardized_mean(differences) == pytest.approx(1.622602, abs=5e-7)
    assert hedges_correction(4) == pytest.approx(0.8)
    assert hedges_g(differences) == pytest.approx(1.298081, abs=5e-7)
    assert probability_of_improvement(A, B) == pytest.approx(0.94)


def test_differences_without_scatter_have_no_effect_size() -> None:
    assert standardized_mean([0.1, 0.1]) is None
    assert hedges_g([0.0, 0.0, 0.0]) is None


@pytest.mark.parametrize("trial", range(10))
def test_the_probability_of_improvement_is_mann_and_whitneys(trial: int) -> None:
    rng = np.random.default_rng(trial)
    a, b = rng.integers(0, 6, int(rng.integers(2, 9))), rng.integers(0, 6, int(rng.integers(2, 9)))
    expected = stats.mannwhitneyu(a, b).statistic / (a.size * b.size)
    assert probability_of_improvement(a.astype(float), b.astype(float)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "mean"),
    [([0.1, 0.2, 0.9], 0.4), ([0.1, 0.2, 0.3, 0.9], 0.25), ([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0], 0.35)],
)
def test_interquartile_means_are_those_of_the_probe(scores: list[float], mean: float) -> None:
    assert interquartile_mean(scores) == pytest.approx(mean)


@pytest.mark.parametrize("trial", range(10))
def test_interquartile_means_of_runs_and_tasks_agree_with_scipy(trial: int) -> None:
    rng = np.random.default_rng(trial)
    scores = rng.random((int(rng.integers(1, 6)), int(rng.integers(1, 8))))
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))
