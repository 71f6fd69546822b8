"""Cells × seeds as a randomised complete block design: the scatter of all cells, pooled."""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen

from .intervals import ROUNDING, FloatArray, MeanDifference, t_difference, t_quantile
from .library import scipy_module


@frozen(eq=False)
class Blocks:
    """The analysis of variance of cells × seeds; seeds are the blocks.

    ``mse``: mean square of what remains after cells and seeds, with ``df`` degrees of freedom; ``half_width``: of the
    interval of any difference of two cells. ``f`` and ``p`` test that all cells are equal; None without scatter.
    """

    means: FloatArray
    seeds: int
    mse: float
    df: int
    half_width: float
    f: float | None
    p: float | None
    alpha: float

    def between(self, first: int, second: int) -> MeanDifference:
        """Cell ``first`` - cell ``second``, by their rows."""
        mean = float(self.means[first] - self.means[second])
        sd = math.sqrt(2 * self.mse)
        return t_difference(mean, sd, sd / math.sqrt(self.seeds), self.df, self.seeds, self.alpha)


def block_analysis(scores: FloatArray, alpha: float = 0.05) -> Blocks:
    """The two-way analysis of variance without repetition (Fisher 1935; Montgomery, Design and Analysis of
    Experiments, chapter 4), with t intervals of differences from the pooled mean square.

    scores: C cells × S seeds, at least 2 × 2, all finite.
    """
    scores_CS = np.asarray(scores, dtype=np.float64, order="C")
    if scores_CS.ndim != 2 or min(scores_CS.shape) < 2 or not np.isfinite(scores_CS).all():
        raise ValueError("blocks need finite scores of at least 2 cells × 2 seeds")
    cells, seeds = scores_CS.shape
    means_C, means_S, grand = scores_CS.mean(axis=1), scores_CS.mean(axis=0), scores_CS.mean()
    rest_CS = scores_CS - means_C[:, None] - means_S + grand
    df = (cells - 1) * (seeds - 1)
    mse = float((rest_CS**2).sum()) / df
    if math.sqrt(mse) <= ROUNDING * float(np.abs(scores_CS).max()):
        return Blocks(means_C, seeds, 0.0, df, 0.0, None, None, alpha)
    f = seeds * float(((means_C - grand) ** 2).sum()) / (cells - 1) / mse
    p = float(scipy_module("stats").f.sf(f, cells - 1, df))
    half_width = t_quantile(1 - alpha / 2, df) * math.sqrt(2 * mse / seeds)
    return Blocks(means_C, seeds, mse, df, half_width, f, p, alpha)
