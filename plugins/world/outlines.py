"""The geometry of the four shapes: points inside, and coverage of pixels."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ARM = 0.36
"""Half the thickness of a cross's arms, as a fraction of its radius."""


def inside(shape: str, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (``u`` to the right, ``v`` downwards, in units of the radius) are inside ``shape``.

    Raises ValueError for an unknown shape.
    """
    match shape:
        case "circle":
            return u * u + v * v <= 1
        case "square":
            return np.maximum(abs(u), abs(v)) <= 0.92
        case "triangle":
            return (v <= 0.9) & (abs(u) <= (v + 0.95) / 1.85)
        case "cross":
            return (np.maximum(abs(u), abs(v)) <= 1) & (np.minimum(abs(u), abs(v)) <= ARM)
    raise ValueError(f"shape {shape!r} does not exist")


@lru_cache(maxsize=256)
def coverage(shape: str, radius: float, half: int, detail: int = 8) -> Floats:
    """Compute the covered fraction of each pixel, in 0..1, for a shape centred in a window.

    Returns [2 * half, 2 * half], read-only. Each pixel is sampled at ``detail`` x ``detail`` points.
    """
    samples = inside_samples(shape, radius, half, detail)
    covered: Floats = samples.reshape(2 * half, detail, 2 * half, detail).mean((1, 3), dtype=np.float32)
    covered.setflags(write=False)
    return covered


def inside_samples(shape: str, radius: float, half: int, detail: int) -> NDArray[np.bool_]:
    """Sample a shape centred in a window of ``2 * half`` pixels: [2 * half * detail, 2 * half * detail]."""
    axis = ((np.arange(2 * half * detail) + 0.5) / detail - half) / radius
    return inside(shape, axis[None, :], axis[:, None])
