"""Sizes of effects, and means of several runs and tasks."""

from __future__ import annotations

import numpy as np

from .intervals import FloatArray, Numbers, as_vector, spread


def standardized_mean(differences: Numbers) -> float | None:
    """d_z: the mean difference in standard deviations of the differences (Cohen 1988); None without scatter."""
    vector = as_vector(differences)
    sd = spread(vector)
    return float(vector.mean()) / sd if sd else None


def hedges_correction(df: int) -> float:
    """The factor that removes most of the bias of a standardized mean of few values (Hedges 1981)."""
    return 1 - 3 / (4 * df - 1)


def hedges_g(differences: Numbers) -> float | None:
    """d_z times Hedges' correction; None without scatter."""
    d_z = standardized_mean(differences)
    return None if d_z is None else d_z * hedges_correction(len(differences) - 1)


def probability_of_improvement(first: Numbers, second: Numbers) -> float:
    """A12: the share of pairs in which the first is larger, ties half (Vargha & Delaney 2000; Agarwal et al. 2021)."""
    a, b = as_vector(first), as_vector(second)
    return float(((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean())


def interquartile_mean(scores: Numbers | FloatArray) -> float:
    """The mean without the lowest and highest quarter, runs and tasks together (Agarwal et al. 2021).

    The quarter is rounded down: 3 values lose none.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=None)
    cut = ordered.size // 4
    return float(ordered[cut : ordered.size - cut].mean())
