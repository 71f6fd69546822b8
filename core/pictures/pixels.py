"""Pixels of a picture: taken out of it, made square and normalised."""

from __future__ import annotations

from functools import cache
from math import ceil, sqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .read import check_array

Triple = tuple[float, float, float]

MAX_RATIO = 16
"""Longest pictures that are scaled whole before they are cut, in multiples of the target's proportions."""


def pixels_of(picture: Image.Image | np.ndarray) -> np.ndarray:
    """Pixels [h, w, 3] of uint8. Raises ``PictureError`` for an array of another shape or type."""
    if isinstance(picture, Image.Image):
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    return check_array(picture)


def padded(pixels: np.ndarray, size: int, background: tuple[int, int, int], min_size: int) -> np.ndarray:
    """Pixels scaled until the long side is ``size``, in the middle of a square of the background's colour."""
    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    long = max(height, width)
    least = min(min_size, size)
    height, width = (max(int(side / long * size), least) for side in (height, width))
    scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (size, size), background)
    square.paste(scaled, ((size - width) // 2, (size - height) // 2))
    return np.asarray(square)


def cropped(pixels: np.ndarray, size: int) -> np.ndarray:
    """The centre of the pixels, scaled until the short side is ``size``."""
    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    # Cropping within the scaling keeps a 1×10000 strip from becoming a picture of gigabytes in between.
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box))


def covered(pixels: np.ndarray, height: int, width: int, resample: str, *, unit: int, truncate: bool) -> np.ndarray:
    """The centre of the pixels, scaled by the filter ``resample`` until they cover ``height`` × ``width``.

    With a ``unit``, pixels of these proportions, to within rounding both sides to units at the same area, are scaled to
    the size as a whole. ``truncate``: the longer side is truncated instead of rounded, and the offset of the cut
    rounded instead of truncated.
    """
    given = pixels.shape[:2]
    if given == (height, width):
        return pixels
    resampling = Image.Resampling[resample.upper()]
    if unit and _sides_in_units(given, height * width, unit) == (height // unit, width // unit):
        return np.asarray(Image.fromarray(pixels).resize((width, height), resampling))
    pixels = _shortened(pixels, height, width)
    rows, columns = pixels.shape[:2]
    if truncate:
        wide = height * columns >= width * rows
        sides = (int(height * columns / rows), height) if wide else (width, int(width * rows / columns))
        left, top = round((sides[0] - width) / 2), round((sides[1] - height) / 2)
    else:
        scale = max(height / rows, width / columns)
        sides = (round(scale * columns), round(scale * rows))
        left, top = (sides[0] - width) // 2, (sides[1] - height) // 2
    scaled = Image.fromarray(pixels).resize(sides, resampling)
    return np.asarray(scaled.crop((left, top, left + width, top + height)))


def _sides_in_units(given: tuple[int, ...], area: int, unit: int) -> tuple[int, int]:
    """The sides at another area, in units."""
    rows, columns = given
    scale = sqrt(area / (rows * columns))
    return round(rows * scale / unit), round(columns * scale / unit)


def _shortened(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of very long or wide pixels, so that scaling a strip of 1×10000 does not make gigabytes."""
    rows, columns = pixels.shape[:2]
    most_rows = ceil(columns * height / width * MAX_RATIO)
    most_columns = ceil(rows * width / height * MAX_RATIO)
    top, left = max(0, rows - most_rows) // 2, max(0, columns - most_columns) // 2
    return np.ascontiguousarray(pixels[top : top + most_rows, left : left + most_columns])


def normalised(pixels: np.ndarray, mean: Triple, std: Triple) -> Tensor:
    """Pixels [h, w, 3] of uint8 as float32 [3, h, w]: ×1/255, minus the mean, over the deviation."""
    table = _table(mean, std)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    if mean == (mean[0],) * 3 and std == (std[0],) * 3:
        return torch.from_numpy(table[0][planes])
    return torch.from_numpy(np.stack([values[plane] for values, plane in zip(table, planes, strict=True)]))


@cache
def _table(mean: Triple, std: Triple) -> np.ndarray:
    """The normalised value of each of the 256 levels in each channel, [3, 256]; rounded as the reference rounds."""
    scaled = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)
    means, deviations = (np.array(values, dtype=np.float32)[:, None] for values in (mean, std))
    return (scaled - means) / deviations
