"""Seeds × items: the probes P8 and P9, and the enumeration of every draw."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from janiform.ablation.statistics.crossed import crossed_variance, redrawn_variance, two_way_error

PROBE = np.array([[1.0, 0, 1], [0, 0, 1]])


def enumerated(differences: np.ndarray) -> float:
    """The variance of the mean over all draws of seeds and all draws of items, with replacement."""
    seeds, items = differences.shape
    means = [
        differences[np.ix_(rows, columns)].mean()
        for rows in product(range(seeds), repeat=seeds)
        for columns in product(range(items), repeat=items)
    ]
    return float(np.var(means))


def enumerated_anew(differences: np.ndarray) -> tuple[float, int]:
    """The same where items are drawn again for each seed that was drawn, and the number of draws."""
    seeds, items = differences.shape
    of_row = [
        [differences[row, list(columns)].mean() for columns in product(range(items), repeat=items)]
        for row in range(seeds)
    ]
    means = [
        np.mean(values)
        for rows in product(range(seeds), repeat=seeds)
        for values in product(*(of_row[row] for row in rows))
    ]
    return float(np.var(means)), len(means)


def test_the_crossed_bootstrap_has_the_variance_of_the_probe() -> None:
    variance = crossed_variance(PROBE)
    assert (variance.seeds, variance.items, variance.remainder) == pytest.approx(
        (0.013889, 0.055556, 0.009259), abs=5e-7
    )
    assert variance.sd == pytest.approx(0.280542, abs=5e-7)
    assert variance.sd**2 == pytest.approx(enumerated(PROBE))
    assert np.sqrt(variance.seeds) == pytest.approx(0.117851, abs=5e-7)
    assert np.sqrt(variance.items) == pytest.approx(0.235702, abs=5e-7)


def test_items_drawn_anew_for_each_seed_have_the_variance_of_the_probe() -> None:
    expected, draws = enumerated_anew(PROBE)
    assert draws == 2916
    assert np.sqrt(redrawn_variance(PROBE)) == pytest.approx(0.225668, abs=5e-7)
    assert redrawn_variance(PROBE) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 3), (3, 1)])
def test_variances_are_those_of_all_draws(shape: tuple[int, int]) -> None:
    differences = np.random.default_rng(sum(shape)).normal(size=shape)
    assert crossed_variance(differences).sd ** 2 == pytest.approx(enumerated(differences))
    if shape[0] < 3:
        assert redrawn_variance(differences) == pytest.approx(enumerated_anew(differences)[0])


def test_the_two_way_error_is_that_of_the_probe() -> None:
    error = two_way_error(np.array([[1.0, 0, 1, 0], [0, 0, 1, 0], [1, -1, 1, 0]]))
    assert (error.ms_seeds, error.ms_items, error.ms_rest) == pytest.approx((0.083333, 1.111111, 0.194444), abs=5e-7)
    assert error.se == pytest.approx(0.288675, abs=5e-7)
    assert error.df == pytest.approx(2.373626, abs=5e-7)


def test_a_variance_that_is_estimated_below_zero_counts_as_zero() -> None:
    error = two_way_error(np.array([[1.0, -1], [-1, 1]]))  # all of it is remainder
    assert (error.se, error.df) == (0, None)
    assert two_way_error(np.ones((3, 4))).se == 0


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_two_way_errors_need_two_of_each(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 seeds × 2 items"):
        two_way_error(np.ones(shape))
