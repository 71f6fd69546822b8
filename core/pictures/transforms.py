"""Image transforms: a picture is padded to a square for a model to look at, or cropped to one for it to draw.

Both transforms are plain data that can be compared, printed and sent to a data worker. They take a PIL picture of mode
RGB or a uint8 array [h, w, 3] and give a float32 tensor [3, size, size]; torch is imported when they are called.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from attrs import field, frozen, validators
from PIL import Image

from .read import check_array

if TYPE_CHECKING:
    from torch import Tensor

Triple = tuple[float, float, float]

_HALF: Triple = (0.5, 0.5, 0.5)


def _triple(values: tuple[float, ...] | list[float]) -> Triple:
    red, green, blue = values
    return float(red), float(green), float(blue)


@frozen
class PadToSquare:
    """The whole picture, scaled until its long side is ``size`` and centred on a square of the background's colour.

    As in Janus' ``VLMImageProcessor``: sides are truncated, never rounded, and are at least ``min_size``; PIL's
    bicubic filter; ×1/255, minus ``mean``, over ``std``. The background is int(mean·255) where it is not given.
    """

    size: int = field(validator=validators.gt(0))
    mean: Triple = field(default=_HALF, converter=_triple)
    std: Triple = field(default=_HALF, converter=_triple)
    background: tuple[int, int, int] | None = None
    min_size: int = 14

    def __call__(self, picture: Image.Image | np.ndarray) -> Tensor:
        pixels = _pixels(picture)
        height, width = pixels.shape[:2]
        if (height, width) != (self.size, self.size):
            pixels = self._padded(pixels)
        return _tensor(pixels, self.mean, self.std)

    def _padded(self, pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        long = max(height, width)
        least = min(self.min_size, self.size)
        height, width = (max(int(side / long * self.size), least) for side in (height, width))
        scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        background = self.background or (int(self.mean[0] * 255), int(self.mean[1] * 255), int(self.mean[2] * 255))
        square = Image.new("RGB", (self.size, self.size), background)
        square.paste(scaled, ((self.size - width) // 2, (self.size - height) // 2))
        return np.asarray(square)


@frozen
class CropToSquare:
    """The centre of the picture: the short side scaled to ``size``, the long side cut; values in [-1, 1]."""

    size: int = field(validator=validators.gt(0))

    def __call__(self, picture: Image.Image | np.ndarray) -> Tensor:
        pixels = _pixels(picture)
        height, width = pixels.shape[:2]
        if (height, width) != (self.size, self.size):
            # Cropping within the scaling keeps a 1×10000 strip from becoming a picture of gigabytes in between.
            short = min(height, width)
            left, top = (width - short) / 2, (height - short) / 2
            box = (left, top, left + short, top + short)
            scaled = Image.fromarray(pixels).resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
            pixels = np.asarray(scaled)
        return _tensor(pixels, _HALF, _HALF)


def _pixels(picture: Image.Image | np.ndarray) -> np.ndarray:
    if isinstance(picture, Image.Image):
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    return check_array(picture)


def _tensor(pixels: np.ndarray, mean: Triple, std: Triple) -> Tensor:
    """Pixels [h, w, 3] of uint8 to float32 [3, h, w]."""
    import torch

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
