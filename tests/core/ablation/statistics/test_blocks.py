"""The randomised block design: the probe P3, least squares on random tables, and the paired t of two cells."""

from __future__ import annotations

import numpy as np
import pytest
from janiform.ablation.statistics.blocks import block_analysis
from janiform.ablation.statistics.intervals import t_quantile
from janiform.ablation.statistics.paired import paired_difference
from scipy import stats

TABLE = np.array([[0.62, 0.58, 0.65], [0.57, 0.56, 0.58], [0.60, 0.59, 0.61], [0.55, 0.52, 0.56]])


def test_four_cells_and_three_seeds_have_the_analysis_of_the_probe() -> None:
    blocks = block_analysis(TABLE)
    assert blocks.mse == pytest.approx(0.00014722, abs=5e-9)
    assert blocks.df == 6
    assert t_quantile(0.975, 6) == pytest.approx(2.446912, abs=5e-7)
    assert blocks.half_width == pytest.approx(0.024241, abs=5e-7)
    assert blocks.f == pytest.approx(21.490566, abs=5e-7)
    assert blocks.p == pytest.approx(0.001306, abs=5e-7)
    expected = [(-0.046667, 0.00329, 5e-6), (-0.016667, 0.143499, 5e-7), (-0.073333, 0.000312, 5e-7)]
    for cell, (mean, p, digits) in enumerate(expected, start=1):
        difference = blocks.between(cell, 0)
        assert difference.mean == pytest.approx(mean, abs=5e-7)
        assert difference.p == pytest.approx(p, abs=digits)
        assert difference.high - difference.mean == pytest.approx(blocks.half_width)


@pytest.mark.parametrize("trial", range(15))
def test_random_tables_agree_with_least_squares(trial: int) -> None:
    rng = np.random.default_rng(trial)
    cells, seeds = int(rng.integers(2, 7)), int(rng.integers(2, 7))
    table = rng.normal(0, 1, (cells, seeds)) + rng.normal(0, 2, seeds)
    c, s = np.indices(table.shape).reshape(2, -1)
    full = np.column_stack([np.eye(cells)[c], np.eye(seeds)[s][:, 1:]])
    without_cells = np.eye(seeds)[s]

    def rss(design: np.ndarray) -> float:
        solution = np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
        return float(((table.ravel() - design @ solution) ** 2).sum())

    df = cells * seeds - full.shape[1]
    mse = rss(full) / df
    f = (rss(without_cells) - rss(full)) / (cells - 1) / mse
    blocks = block_analysis(table, alpha=0.1)
    assert (blocks.df, blocks.mse, blocks.f) == pytest.approx((df, mse, f))
    assert blocks.p == pytest.approx(stats.f.sf(f, cells - 1, df))
    # The standard error of a contrast of two cells, from the inverse of the normal equations.
    contrast = np.zeros(full.shape[1])
    contrast[0], contrast[1] = 1, -1
    se = np.sqrt(mse * contrast @ np.linalg.inv(full.T @ full) @ contrast)
    difference = blocks.between(0, 1)
    assert difference.se == pytest.approx(se)
    assert difference.high - difference.mean == pytest.approx(stats.t.ppf(0.95, df) * se)


@pytest.mark.parametrize("seeds", [2, 3, 7])
def test_two_cells_have_the_paired_t(seeds: int) -> None:
    table = np.random.default_rng(seeds).normal(0.5, 0.1, (2, seeds))
    blocks, paired = block_analysis(table).between(0, 1), paired_difference(table[0], table[1])
    for name in ("mean", "sd", "se", "df", "count", "low", "high", "t", "p"):
        assert getattr(blocks, name) == pytest.approx(getattr(paired, name)), name


@pytest.mark.parametrize("table", [np.zeros((3, 4)), np.array([[0.1], [0.2], [0.7]]) + np.array([0.1, 0.3, 0.2])])
def test_cells_that_all_seeds_shift_alike_have_no_test_and_no_nan(table: np.ndarray) -> None:
    blocks = block_analysis(table)
    assert (blocks.mse, blocks.half_width, blocks.f, blocks.p) == (0, 0, None, None)
    difference = blocks.between(2, 0)
    assert (difference.se, difference.t, difference.p) == (0, None, None)
    assert difference.low == difference.mean == difference.high == pytest.approx(table[2, 0] - table[0, 0])


@pytest.mark.parametrize("table", [np.ones((1, 3)), np.ones((3, 1)), np.ones(3), np.array([[1, np.nan], [1, 2]])])
def test_tables_that_cannot_be_analysed_are_refused(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least 2 cells × 2 seeds"):
        block_analysis(table)
