"""Differences over seeds × items, when both are samples: how much each contributes to the variance of the mean.

For pictures and tables only. The verdict on a design comes from seeds (``blocks``, ``paired``): the bootstrap counts
the remainder more than once and covers too much.
"""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen

from .intervals import FloatArray


@frozen
class CrossedVariance:
    """The variance of the mean under the crossed bootstrap, by its sources; ``sd`` is the square root of their sum."""

    seeds: float
    items: float
    remainder: float

    @property
    def sd(self) -> float:
        """The standard deviation over draws of seeds and items, each with replacement."""
        return math.sqrt(self.seeds + self.items + self.remainder)


@frozen
class TwoWayError:
    """The standard error of a mean when seeds and items are both random, its degrees of freedom, and mean squares.

    ``se`` is 0, and ``df`` None, where the estimate of the variance is not positive.
    """

    se: float
    df: float | None
    ms_seeds: float
    ms_items: float
    ms_rest: float


def crossed_variance(differences: FloatArray) -> CrossedVariance:
    """The exact variance of the crossed bootstrap of S seeds × I items (Owen & Eckles 2012): nothing is drawn."""
    rows_S, columns_I, rest_SI = _effects(differences)
    seeds, items = rest_SI.shape
    return CrossedVariance(
        float((rows_S**2).mean()) / seeds,
        float((columns_I**2).mean()) / items,
        float((rest_SI**2).mean()) / (seeds * items),
    )


def redrawn_variance(differences: FloatArray) -> float:
    """The exact variance of the bootstrap that draws seeds, and for each of them items anew."""
    rows_S, columns_I, rest_SI = _effects(differences)
    within = float(((columns_I + rest_SI) ** 2).mean()) / columns_I.size
    return (float((rows_S**2).mean()) + within) / rows_S.size


def two_way_error(differences: FloatArray) -> TwoWayError:
    """The standard error of the mean of a crossed random design, with Satterthwaite's degrees of freedom (1946).

    differences: at least 2 seeds × 2 items.
    """
    rows_S, columns_I, rest_SI = _effects(differences)
    seeds, items = rest_SI.shape
    if seeds < 2 or items < 2:
        raise ValueError("two-way errors need at least 2 seeds × 2 items")
    squares = np.array(
        [
            items * float((rows_S**2).sum()) / (seeds - 1),
            seeds * float((columns_I**2).sum()) / (items - 1),
            float((rest_SI**2).sum()) / ((seeds - 1) * (items - 1)),
        ]
    )
    freedoms = np.array([seeds - 1, items - 1, (seeds - 1) * (items - 1)])
    estimate = squares[0] + squares[1] - squares[2]
    ms_seeds, ms_items, ms_rest = map(float, squares)
    if estimate <= 0:
        return TwoWayError(0.0, None, ms_seeds, ms_items, ms_rest)
    df = float(estimate**2 / (squares**2 / freedoms).sum())
    return TwoWayError(math.sqrt(estimate / (seeds * items)), df, ms_seeds, ms_items, ms_rest)


def _effects(differences: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Deviations of the means of rows and of columns, and what remains."""
    differences_SI = np.asarray(differences, dtype=np.float64)
    if differences_SI.ndim != 2 or differences_SI.size == 0 or not np.isfinite(differences_SI).all():
        raise ValueError("expected finite differences of seeds × items")
    grand = differences_SI.mean()
    rows_S, columns_I = differences_SI.mean(axis=1) - grand, differences_SI.mean(axis=0) - grand
    return rows_S, columns_I, differences_SI - grand - rows_S[:, None] - columns_I
