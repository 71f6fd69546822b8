"""Pictures as records name or hold them: a path, a data URI, base64, bytes, or an object with one of these."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from janiform import PictureError, SampleError, read_picture
from PIL import Image

_MISSING = "missing picture"
_DATA = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_BASE64 = re.compile(r"(?:/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk|SUkq|TU0A|AAAA)[A-Za-z0-9+/\s]*={0,2}\s*")
"""Base64 of the first bytes of JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF and JPEG 2000, and what follows."""

_MIN_BASE64 = 48
"""Characters of the smallest picture; a shorter text is a path."""

_INLINE = ("bytes", "base64", "data", "b64_json")
_NAMED = ("url", "path", "image", "image_url", "file_name", "filename")


def open_picture(reference: Any, folder: Path | None, location: str) -> Image.Image:
    """The picture of a reference. Paths start at ``folder``; without one only pictures inside the record are read.

    Raises ``SampleError`` that begins with the record's ``location``.
    """
    try:
        if isinstance(reference, Mapping):
            reference = _of_object(reference, location)
        if isinstance(reference, str):
            reference = _of_text(reference, folder, location)
        if not isinstance(reference, Path | bytes):
            raise SampleError(f"{location}: a picture must be a path, base64, or an object with one of them", _MISSING)
        return read_picture(reference)
    except PictureError as error:
        raise SampleError(f"{location}: {error}", error.kind) from None


def is_reference(value: Any) -> bool:
    """Whether a value may stand for a picture."""
    return (isinstance(value, str | bytes) and bool(value)) or (isinstance(value, Mapping) and not is_blank(value))


def is_blank(value: Any) -> bool:
    """Whether a value is None, or an object of nothing but None, with which Arrow fills absent objects."""
    return value is None or (isinstance(value, Mapping) and all(map(is_blank, value.values())))


def _of_object(value: Mapping[str, Any], location: str) -> Any:
    """The text or bytes in an object; beside bytes, a path is the name that a file had."""
    for key in _INLINE:
        data = value.get(key)
        if isinstance(data, str):
            header = _DATA.match(data)
            return _decoded(data[header.end() :] if header else data, location)
        if data is not None:
            return data
    named = {key: value[key] for key in _NAMED if not is_blank(value.get(key))}
    first = next(iter(named.values()), None)
    if any(item != first for item in named.values()):
        keys = " and ".join(f"'{key}'" for key in named)
        raise SampleError(f"{location}: {keys} of a picture differ", "ambiguous sample")
    return _of_object(first, location) if isinstance(first, Mapping) else first


def _of_text(text: str, folder: Path | None, location: str) -> Path | bytes:
    if header := _DATA.match(text):
        if header[0].lower().endswith(";base64,"):
            return _decoded(text[header.end() :], location)
        raise SampleError(f"{location}: '{header[0][:80]}…' is not base64", _MISSING)
    if len(text) >= _MIN_BASE64 and _BASE64.fullmatch(text):
        return _decoded(text, location)
    if text[:7].lower() == "file://":
        text = unquote(text[7:].removeprefix("localhost"))
    elif re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        raise SampleError(f"{location}: '{_short(text)}' is a URL, and nothing is downloaded", _MISSING)
    if folder is None:
        raise SampleError(f"{location}: '{_short(text)}' is a path, and pictures are members of the sample", _MISSING)
    return folder / text


def _decoded(text: str, location: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SampleError(f"{location}: the picture is not valid base64: {error}", "damaged picture") from None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
