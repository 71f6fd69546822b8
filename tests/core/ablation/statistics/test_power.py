"""Power and equivalence: the probes, and scipy's noncentral t where it is defined."""

from __future__ import annotations

import numpy as np
import pytest
from janiform.ablation.statistics.power import (
    detectable_difference,
    detectable_shift,
    equivalence,
    expected_half_width,
    items_needed,
    power_of,
    seeds_needed,
)
from scipy import stats

SQRT2 = 2**0.5


@pytest.mark.parametrize(
    ("seeds", "difference", "digits"),
    [(2, 11.55, 2), (3, 3.264, 3), (4, 2.128, 3), (5, 1.682, 3), (8, 1.156, 3), (10, 0.996, 3)],
)
def test_detectable_differences_are_those_of_the_table(seeds: int, difference: float, digits: int) -> None:
    assert detectable_shift(seeds - 1) / seeds**0.5 == pytest.approx(difference, abs=0.5 * 10**-digits)
    # The table is in standard deviations of a paired difference, which has √2 times that of one design.
    assert detectable_difference(1 / SQRT2, seeds) == pytest.approx(difference, abs=0.5 * 10**-digits)


@pytest.mark.parametrize("trial", range(15))
def test_power_agrees_with_scipys_noncentral_t(trial: int) -> None:
    rng = np.random.default_rng(trial)
    df, shift, alpha = int(rng.integers(3, 40)), float(rng.uniform(0, 5)), float(rng.uniform(0.01, 0.2))
    bound = stats.t.ppf(1 - alpha / 2, df)
    expected = stats.nct.sf(bound, df, shift) + stats.nct.cdf(-bound, df, shift)
    assert power_of(shift, df, alpha) == pytest.approx(expected, abs=1e-7)
    power = float(rng.uniform(0.5, 0.99))
    assert power_of(detectable_shift(df, power, alpha), df, alpha) == pytest.approx(power, abs=1e-7)


def test_the_power_without_a_difference_is_alpha() -> None:
    for df in (1, 2, 9):
        assert power_of(0, df, 0.05) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="between alpha"):
        detectable_shift(4, 0.01)


@pytest.mark.parametrize(("cells", "seeds", "half_width"), [(4, 3, 1.89), (2, 3, 2.94), (4, 2, 2.83), (2, 2, 8.39)])
def test_expected_half_widths_are_near_those_that_were_simulated(cells: int, seeds: int, half_width: float) -> None:
    assert expected_half_width(1, seeds, cells) == pytest.approx(half_width, rel=0.03)


@pytest.mark.parametrize("cells", [2, 5])
@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0, 3.0, 40.0])
def test_the_seeds_needed_are_the_fewest_that_suffice(cells: int, ratio: float) -> None:
    seeds = seeds_needed(ratio, 1, cells)
    assert detectable_difference(1, seeds, cells) <= ratio
    assert seeds == 2 or detectable_difference(1, seeds - 1, cells) > ratio


def test_the_items_needed_are_those_of_the_probe() -> None:
    correlated = 0.5 * (2 * (1 - 0.5)) ** 0.5
    assert items_needed(0.03, correlated) == 2181
    assert items_needed(0.06, correlated) == 546


def test_equivalence_is_that_of_the_probe() -> None:
    differences = np.array([0.004, -0.006, 0.002, 0.001, -0.003])
    test = equivalence(differences.mean(), stats.sem(differences), 4, 0.01)
    assert (test.low, test.high) == pytest.approx((-0.004249, 0.003449), abs=5e-7)
    assert test.p == pytest.approx(0.003009, abs=5e-7)
    assert test.within
    assert not equivalence(differences.mean(), stats.sem(differences), 4, 0.004).within


@pytest.mark.parametrize("trial", range(15))
def test_equivalence_is_two_one_sided_tests_and_an_interval_inside_the_margin(trial: int) -> None:
    rng = np.random.default_rng(trial)
    differences, margin = rng.normal(0, 0.01, int(rng.integers(3, 9))), float(rng.uniform(0.001, 0.02))
    alpha = float(rng.uniform(0.01, 0.2))
    test = equivalence(differences.mean(), stats.sem(differences), differences.size - 1, margin, alpha)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert test.p == pytest.approx(max(above, below))
    assert test.within == (-margin < test.low and test.high < margin)


def test_sizes_that_give_no_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="positive margin"):
        equivalence(0, 1, 4, 0)
    with pytest.raises(ValueError, match="positive standard error"):
        equivalence(0, 0, 4, 0.1)
    with pytest.raises(ValueError, match="at least 2 seeds and 2 cells, got 1 and 3"):
        detectable_difference(1, 1, 3)
    for function in (seeds_needed, items_needed):
        with pytest.raises(ValueError, match="must be positive"):
            function(0.0, 1.0)
