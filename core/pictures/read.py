"""Pictures from files and bytes, checked before they are decoded and converted to one form.

Every picture becomes 8-bit RGB, rotated by its EXIF orientation; of an animation the first frame is taken, and
transparency is composited on white, as on a web page. Sizes are checked before decoding, and formats that contain
programs (EPS) are not opened. Samples of more than 8 bits are converted in ``deep``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import warnings
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import PictureError, Problem
from .deep import Depth, check_range, grey_of

MAX_FILE_BYTES = 128 * 2**20
"""The largest file that is read, in bytes."""

MAX_PIXELS = 80_000_000
"""The largest picture that is decoded: 240 MB as RGB."""

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Formats that are opened; their decoders run no embedded programs."""

MISSING, HUGE = "missing picture", "huge picture"
"""Kinds of unreadable pictures besides damaged ones, as training counts them."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|data:", re.IGNORECASE)


def read_picture(
    source: str | os.PathLike[str] | bytes | BinaryIO, *, name: str = "the picture", max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """The picture in a file, in the bytes of one, or in one that is open, as 8-bit RGB. ``name`` is what errors call
    bytes and open files; ``max_pixels`` is the largest picture that is decoded.

    Rotated as its EXIF orientation says; palettes, CMYK, grey and 16-bit samples converted (16 bits scaled to 8);
    transparency composited on white; the first frame of an animation.

    Raises ``PictureError`` where the file does not exist, is not a picture, is damaged or too large, for a URL, and
    for samples whose range cannot be told.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(bytes(source), name, max_pixels)
    if callable(getattr(source, "read", None)):
        return _decode(_bytes_of(source), name, max_pixels)
    if not isinstance(source, str | os.PathLike):
        raise PictureError(f"a picture must be a path, bytes or an open file, not {type(source).__name__}")
    if isinstance(source, str) and is_address(source):
        hint = "save the picture in a file and give its path"
        raise PictureError(Problem(f"'{_shortened(source, 80)}' is a URL, and nothing is downloaded", hint=hint))
    path = Path(source)
    return _decode(_read_bounded(path), f"'{_shortened(path)}'", max_pixels)


def is_address(text: str) -> bool:
    """Whether a text is a URL rather than a path."""
    return _ADDRESS.match(text) is not None


def is_picture_like(value: Any) -> bool:
    """Whether ``as_picture`` takes the value for one picture, rather than for several."""
    return isinstance(value, str | bytes | bytearray | memoryview | os.PathLike | Image.Image | np.ndarray) or callable(
        getattr(value, "read", None)
    )


def _bytes_of(file: Any) -> bytes:
    """The rest of an open file. Raises ``PictureError`` for one of text, and one that is too large."""
    try:
        data = file.read(MAX_FILE_BYTES + 1)
    except PictureError:
        raise
    except Exception as error:  # any object may have a method `read`
        raise PictureError(f"the picture's file cannot be read: {_reason(error)}") from None
    if not isinstance(data, bytes | bytearray | memoryview):
        raise PictureError("the picture's file must be open for reading bytes, as by open(path, 'rb')")
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(f"the picture's file has more than {MAX_FILE_BYTES >> 20} MiB", HUGE)
    return bytes(data)


def as_picture(value: Any) -> Image.Image:
    """The RGB picture of a path, of bytes, of an open file, of a PIL picture, or of a uint8 array [h, w, 3] or [h, w].

    Raises ``PictureError``.
    """
    if isinstance(value, Image.Image):
        _check_size(value.size, "the picture")
        depth = Depth.of(value)
        try:
            value.load()  # Pillow opens files lazily, so that damage is found only here
        except Exception as error:
            raise PictureError(f"the picture is damaged: {_reason(error)}") from None
        return _to_rgb(value, "the picture", depth)
    if isinstance(value, np.ndarray):
        return Image.fromarray(check_array(value))
    if isinstance(value, str | os.PathLike | bytes | bytearray | memoryview) or callable(getattr(value, "read", None)):
        name = getattr(value, "name", None)
        return read_picture(value, name=name if isinstance(name, str) else "the picture")
    raise PictureError(
        "a picture must be a path, bytes, an open file, a PIL picture or a uint8 array [h, w, 3], not "
        f"{type(value).__name__}"
    )


def check_array(array: np.ndarray) -> np.ndarray:
    """The array as [h, w, 3], also from [h, w] or [h, w, 1]. Raises ``PictureError`` unless it is a uint8 picture."""
    if array.dtype != np.uint8:
        raise PictureError(f"an array of pixels must be uint8 (0 to 255), this one is {array.dtype}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise PictureError(
            f"an array of pixels must have the shape [height, width, 3], this one has {list(array.shape)}"
        )
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def _shortened(path: str | Path, length: int = 300) -> str:
    """A path for a message: a text that is not a path, such as a picture in base64, may have megabytes."""
    text = str(path)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _read_bounded(path: Path) -> bytes:
    shown = _shortened(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"'{shown}' is a folder, not a picture")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"'{shown}' is not a regular file, so its size cannot be bounded")
        if status.st_size > MAX_FILE_BYTES:
            size, limit = status.st_size / 2**20, MAX_FILE_BYTES / 2**20
            raise PictureError(f"'{shown}' has {size:.0f} MiB; pictures of up to {limit:.0f} MiB are read", HUGE)
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        raise PictureError(f"there is no file '{shown}'", MISSING) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PictureError(f"'{shown}' cannot be read: {reason}") from None


def _decode(data: bytes, name: str, max_pixels: int) -> Image.Image:
    if not data:
        raise PictureError(f"{name} is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limits here are lower than Pillow's, and unusual metadata does not matter
        try:
            picture = Image.open(io.BytesIO(data), formats=_formats())
            _check_size(picture.size, name, max_pixels)
            depth = Depth.of(picture)
            picture.load()
        except PictureError:
            raise
        except UnidentifiedImageError:
            raise PictureError(f"{name} is not a picture that can be read (PNG, JPEG, WebP, GIF, TIFF, BMP)") from None
        except Image.DecompressionBombError:
            raise PictureError(
                f"{name} has more than {max_pixels / 1e6:g} million pixels, too many to decode", HUGE
            ) from None
        except Exception as error:  # decoders of damaged files raise any exception
            raise PictureError(f"{name} is damaged: {_reason(error)}") from None
        return _to_rgb(picture, name, depth)


@cache
def _formats() -> tuple[str, ...]:
    """Those of ``FORMATS`` that this build of Pillow can decode; ``Image.open`` fails for any other name."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_size(size: tuple[int, int], name: str, max_pixels: int = MAX_PIXELS) -> None:
    width, height = size
    if width * height > max_pixels:
        limit = f"{max_pixels / 1e6:g} million"
        raise PictureError(f"{name} has {width}×{height} pixels; up to {limit} pixels are decoded", HUGE)
    if width < 1 or height < 1:
        raise PictureError(f"{name} has no pixels ({width}×{height})")


def _to_rgb(picture: Image.Image, name: str, depth: Depth) -> Image.Image:
    try:
        with contextlib.suppress(Exception):  # a broken EXIF block leaves the picture unrotated
            picture = ImageOps.exif_transpose(picture)
        if picture.mode == "F" or picture.mode.startswith("I"):
            return grey_of(picture, name, depth)
        if depth.bits > 8:
            check_range(picture, name)
        if picture.mode == "RGB" and "transparency" not in picture.info:
            return picture
        if picture.has_transparency_data:
            layer = picture.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
        return picture.convert("RGB")
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(f"{name} cannot be converted from mode {picture.mode} to RGB: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
