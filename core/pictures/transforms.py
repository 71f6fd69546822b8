"""Transforms from a picture to the pixels of an encoder (padded to a square) or of a tokenizer (cropped to its size).

They are plain data that can be compared, printed and sent to a data worker. They take a PIL picture of mode RGB or a
uint8 array [h, w, 3] and give a float32 tensor [3, height, width]. Plugins name them in the configs of their parts,
which commands about recipes import: so numpy, PIL and torch are imported when a transform is called.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from attrs import field, frozen, validators

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

Triple = tuple[float, float, float]

_HALF: Triple = (0.5, 0.5, 0.5)


def _triple(values: tuple[float, ...] | list[float]) -> Triple:
    red, green, blue = map(float, values)
    if not all(map(isfinite, (red, green, blue))):
        raise ValueError(f"the mean and deviation of colours must be finite numbers, not {[red, green, blue]}")
    return red, green, blue


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
        from .pixels import normalised, padded, pixels_of

        red, green, blue = (min(max(int(value * 255), 0), 255) for value in self.mean)
        background = self.background or (red, green, blue)
        return normalised(padded(pixels_of(picture), self.size, background, self.min_size), self.mean, self.std)


@frozen
class CropToSquare:
    """The centre of the picture: the short side scaled to ``size``, the long side cut; values in [-1, 1]."""

    size: int = field(validator=validators.gt(0))

    def __call__(self, picture: Image.Image | np.ndarray) -> Tensor:
        from .pixels import cropped, normalised, pixels_of

        return normalised(cropped(pixels_of(picture), self.size), _HALF, _HALF)


@frozen
class CoverAndCrop:
    """The centre of the picture, scaled until it covers ``height`` × ``width`` pixels; values in [-1, 1].

    As in Chameleon's ``ImageTokenizer``: the sides of the scaled picture are rounded, and its whole is scaled before it
    is cut. With ``truncate``, its longer side is truncated, and the offset of the cut rounded, as by ``Resize`` and
    ``CenterCrop`` of torchvision. With ``unit``, a picture of the target's proportions, to within rounding both sides
    to multiples of ``unit`` pixels at the target's area, is scaled to the size as a whole, as in Emu3. Of a picture
    with more than 16 times the proportions of the target, the middle is taken first.
    """

    height: int = field(validator=validators.gt(0))
    width: int = field(validator=validators.gt(0))
    resample: str = field(default="bicubic", validator=validators.in_(("bicubic", "lanczos")))
    unit: int = field(default=0, validator=validators.ge(0))
    truncate: bool = False

    def __call__(self, picture: Image.Image | np.ndarray) -> Tensor:
        from .pixels import covered, normalised, pixels_of

        pixels, size = pixels_of(picture), (self.height, self.width)
        pixels = covered(pixels, *size, self.resample, unit=self.unit, truncate=self.truncate)
        return normalised(pixels, _HALF, _HALF)
