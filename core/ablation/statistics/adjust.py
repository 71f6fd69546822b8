"""p values of several comparisons, adjusted."""

from __future__ import annotations

import numpy as np

from .intervals import FloatArray, Numbers, as_vector


def holm(p_values: Numbers) -> list[float]:
    """Adjusted p values that hold the chance of any false claim (Holm 1979), in that order."""
    ordered, order = _ordered(p_values)
    factors = ordered.size - np.arange(ordered.size)
    return _restored(np.maximum.accumulate(ordered * factors), order)


def benjamini_hochberg(p_values: Numbers) -> list[float]:
    """Adjusted p values that hold the expected share of false claims (Benjamini & Hochberg 1995), in that order."""
    ordered, order = _ordered(p_values)
    raised = ordered * ordered.size / np.arange(1, ordered.size + 1)
    return _restored(np.minimum.accumulate(raised[::-1])[::-1], order)


def _ordered(p_values: Numbers) -> tuple[FloatArray, np.ndarray[tuple[int, ...], np.dtype[np.intp]]]:
    vector = as_vector(p_values)
    if vector.min() < 0 or vector.max() > 1:
        raise ValueError("p values lie between 0 and 1")
    order = np.argsort(vector, kind="stable")
    return vector[order], order


def _restored(ordered: FloatArray, order: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> list[float]:
    adjusted = np.empty_like(ordered)
    adjusted[order] = np.minimum(ordered, 1)
    return [float(value) for value in adjusted]
