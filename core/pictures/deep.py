"""Pictures with more than 8 bits per sample: scaled to 8 where their range is known, and refused where it is not.

A file says how many bits hold a sample, and not which of them are in use: cameras, microscopes and depth sensors store
10, 12 or 14 bits in 16, which would be nearly black as 16 bits. Where the largest sample fits into 12 bits, the range
is therefore known only if the format declares it.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from PIL import Image

from ..errors import PictureError

MAX_16_BITS = 65535
MAX_12_BITS = 4095
"""Samples of 16 bits that do not exceed this may have 12 bits or fewer."""

_SCALED_FORMATS = frozenset({"PPM", "JPEG2000"})
"""Formats that declare the range of their samples; Pillow scales it to 16 bits, or to 8 for colours."""

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""Tags of TIFF."""

_WHITE_IS_ZERO, _SIGNED = 0, 2
"""Values of TIFF's tags for the meaning and the format of samples."""


@frozen
class Depth:
    """The samples in a picture's file, as far as it declares them."""

    bits: int = 8
    """Bits per sample; 8 also for colours that Pillow scales to 8."""
    is_scaled: bool = False
    """Whether Pillow scaled the declared range to 16 bits."""
    is_signed: bool = False
    is_inverted: bool = False
    """Whether 0 is white, which Pillow handles for samples of 8 bits only."""

    @classmethod
    def of(cls, picture: Image.Image) -> Depth:
        """The depth of an opened picture, before it is loaded: loading and transposing lose the details."""
        if picture.format in _SCALED_FORMATS:
            return cls(is_scaled=True)
        tags = getattr(picture, "tag_v2", None)
        if tags is not None:
            return cls(
                _largest(tags.get(_BITS_PER_SAMPLE)),
                is_signed=_largest(tags.get(_SAMPLE_FORMAT)) == _SIGNED,
                is_inverted=tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO,
            )
        raw_modes = [str(tile[3]) for tile in getattr(picture, "tile", ())]
        return cls(16 if any("16" in mode for mode in raw_modes) else 8)


def grey_of(picture: Image.Image, name: str, depth: Depth) -> Image.Image:
    """A picture of one band of numbers beyond 8 bits, as RGB. Raises ``PictureError`` where their range is unknown."""
    if picture.mode == "F":
        raise PictureError(f"{name} has floating-point samples of unknown range; save it with 8 or 16 bits")
    samples = np.asarray(picture).astype(np.int64)
    white = _white(samples, name, depth, is_wide=picture.mode == "I")
    grey = ((510 * samples + white) // (2 * white)).astype(np.uint8)  # rounds to the nearest
    if depth.is_inverted:
        grey = 255 - grey
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey[samples == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def check_range(picture: Image.Image, name: str) -> None:
    """Raise ``PictureError`` where colours of 16 bits, of which Pillow keeps the upper 8, may have 12 bits or fewer."""
    levels = np.asarray(picture)
    levels = levels.reshape(-1, levels.shape[2] if levels.ndim == 3 else 1)
    has_alpha = picture.mode in ("RGBA", "LA")
    brightest = int((levels[:, :-1] if has_alpha else levels).max())
    # Black shapes on a transparent ground are common: their alpha varies, and shows the range.
    alpha = levels[:, -1]
    is_shape = has_alpha and brightest == 0 and alpha.min() < alpha.max() > MAX_12_BITS >> 8
    if brightest <= MAX_12_BITS >> 8 and not is_shape:
        raise PictureError(_unknown_range(name, MAX_12_BITS))


def _white(samples: np.ndarray, name: str, depth: Depth, *, is_wide: bool) -> int:
    """The value of white."""
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high > MAX_16_BITS:
        raise PictureError(f"{name} has 32-bit samples of unknown range; save it with 8 or 16 bits")
    if 8 < depth.bits < 16:  # packed samples of TIFF
        return (1 << depth.bits) - 1
    if depth.is_signed and depth.bits == 16:
        raise PictureError(f"{name} has signed samples of unknown range; save it with 8 or 16 unsigned bits")
    if high == 0 or high > MAX_12_BITS or depth.is_scaled:
        return MAX_16_BITS
    if is_wide and high <= 255:
        return 255  # arrays of 8-bit levels often become integers of 32 bits, which no camera writes
    raise PictureError(_unknown_range(name, high))


def _unknown_range(name: str, highest: int) -> str:
    return (
        f"{name} has samples of at most {highest} in 16 or more bits, and does not say which value is white; "
        "save it with 8 bits, or scaled to 0–65535"
    )


def _largest(value: object) -> int:
    values = value if isinstance(value, tuple) else (value,)
    return max((number for number in values if isinstance(number, int)), default=1)
