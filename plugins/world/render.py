"""Drawing a scene: antialiased, from masks that are computed once for each shape and size."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .outlines import Floats, coverage
from .scene import PALETTE, PICTURE_SIZE, TINTS, Scene


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draw a scene: RGB [64, 64, 3]. Later objects cover earlier ones; what lies outside is cut off."""
    picture = _canvas(scene.background).copy()
    for item in scene.objects:
        keep, paint = _stamp(item.shape, item.radius, item.colour)
        half = keep.shape[0] // 2
        left, top = item.x - half, item.y - half
        rows = slice(max(0, -top), max(0, PICTURE_SIZE - top))
        columns = slice(max(0, -left), max(0, PICTURE_SIZE - left))
        window = picture[max(0, top) : max(0, top + 2 * half), max(0, left) : max(0, left + 2 * half)]
        window *= keep[rows, columns]
        window += paint[rows, columns]
    return (picture + 0.5).astype(np.uint8)


@cache
def _canvas(background: str) -> Floats:
    return np.full((PICTURE_SIZE, PICTURE_SIZE, 3), TINTS[background], np.float32)


@cache
def _stamp(shape: str, radius: int, colour: str) -> tuple[Floats, Floats]:
    """Return what is kept of the picture below, and what is added to it: each [side, side, 3]."""
    covered = coverage(shape, radius, radius + 1)[..., None]
    return np.repeat(1 - covered, 3, axis=2), covered * np.array(PALETTE[colour], np.float32)
