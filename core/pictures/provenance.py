"""How a picture was drawn: kept with it, written into its PNG, and read back with no trust in the file.

A drawn picture carries one JSON object as text under the key ``janiform`` of its ``info``, where Pillow also puts the
text of a PNG that it opens. In the file it is an iTXt chunk:

    {"format": 1, "prompt": "a red circle", "seed": 4, "settings": {"guidance": 2.0, "temperature": 1.0, "top_k": 0},
     "pathway": "generation", "count": 1, "dtype": "float32", "device": "cpu", "recipe": "janus-mini",
     "weights_sha256": "…", "janiform": "0.1.0", "torch": "2.8.0"}
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import attrs
import numpy as np
from attrs import field, frozen
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import PictureError, Problem
from .read import as_picture

KEY = "janiform"
"""Of the text in a PNG, and in the ``info`` of a picture."""

FORMAT = 1
MAX_CHARACTERS = 1 << 20
"""Longer texts are not parsed; none that fits into a model's context comes near."""

MAX_COUNT = 10_000

Setting: TypeAlias = str | int | float | bool | None


@frozen
class Making:
    """All that it takes to draw a picture again with the same model. Nothing in it names a place on the disk."""

    prompt: str
    seed: int
    """Of the picture, or of the first one on a sheet."""
    settings: Mapping[str, Setting] = field(converter=dict)
    """Those of the sampler, complete."""
    pathway: str
    dtype: str
    """Of the weights in memory: ``float32``, …"""
    device: str
    """The kind alone: ``cpu``, ``cuda``, …"""
    recipe: str
    weights_sha256: str
    """The digest of the weights' file; empty where they came from none."""
    janiform: str
    torch: str
    quantize: str = ""
    """How the backbone's weights were reduced: ``int8``, ``int4``; empty where they were not."""
    attention: str = ""
    """The kernel that computed attention: ``sdpa@1``; empty in pictures that were drawn before they said it."""
    count: int = 1
    """Above 1 for a contact sheet of so many pictures, whose seeds follow one another."""

    def as_json(self) -> str:
        """The object on one line; a character that is no text, such as a line break, is written as an escape."""
        return json.dumps({"format": FORMAT, **attrs.asdict(self)}, ensure_ascii=False, default=str)


def attach(picture: Image.Image, making: Making) -> Image.Image:
    """Let the picture say how it was drawn; gives the same picture."""
    picture.info[KEY] = making.as_json()
    return picture


def making_of(picture: str | os.PathLike[str] | bytes | Image.Image | np.ndarray) -> Making:
    """How a picture was drawn: one that a model gave, or one that was saved as PNG.

    Raises:
        PictureError: it cannot be read, does not say how it was drawn, or says so in a way that is not to be believed.
    """
    name = f"'{picture}'" if isinstance(picture, str | os.PathLike) else "the picture"
    said = as_picture(picture).info.get(KEY)
    if not isinstance(said, str):
        raise PictureError(
            Problem(
                f"{name} does not say how it was drawn",
                hint="PNGs that janiform wrote say it; a conversion to JPEG and many sites on the web drop it",
            )
        )
    return parse(said, name)


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as the bytes of a PNG, with how it was drawn where it says so."""
    facts = PngInfo()
    try:
        making = making_of(picture) if KEY in picture.info else None
    except PictureError:  # a picture from elsewhere; what nobody can read is not handed on
        making = None
    if making is not None:
        # What viewers of pictures know to show; NUL ends a text of theirs.
        facts.add_itxt("Description", making.prompt.replace("\0", " "))
        facts.add_itxt("Software", f"janiform {making.janiform}")
        facts.add_itxt(KEY, making.as_json())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=facts)
    return buffer.getvalue()


def save_picture(picture: Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write a picture as PNG, with how it was drawn; a file that is there is replaced, whole or not at all.

    Raises:
        PictureError: the path does not end in ``.png``.
        StorageError: the disk is full, or the folder may not be written.
    """
    from ..storage.atomic import write_files

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise PictureError(f"'{path}' does not end in .png, and other formats do not keep how a picture was drawn")
    data = png_bytes(picture)

    def write(part: Path) -> None:
        part.write_bytes(data)

    write_files(path.parent, {path.name: write})
    return path


def parse(text: str, name: str = "the picture") -> Making:
    """What ``Making.as_json`` wrote; keys that are not known are passed over. Raises ``PictureError``."""
    lead = f"what {name} says about how it was drawn"
    if len(text) > MAX_CHARACTERS:
        raise PictureError(f"{lead} has {len(text):,} characters; up to {MAX_CHARACTERS:,} are read")
    try:
        said = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise PictureError(f"{lead} is nested too deeply") from None
    except ValueError as error:
        raise PictureError(f"{lead} is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise PictureError(f"{lead} is not a JSON object")
    written = said.get("format")
    if type(written) is int and written > FORMAT:
        raise PictureError(f"{lead} has format {written} of a newer janiform; this one reads format {FORMAT}")
    said = {"count": 1, "quantize": "", "attention": "", **said}
    wrong = [f"'{key}' is not {what}" for key, (fits, what) in _FIELDS.items() if not fits(said.get(key))]
    if wrong:
        raise PictureError(f"{lead} cannot be used: " + ", ".join(wrong))
    return Making(**{key: said[key] for key in _FIELDS if key != "format"})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return False
    return True


def _name(value: Any) -> bool:
    return _text(value) and len(value) <= 200 and value.isprintable()


def _whole(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _setting(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool) or _name(value) or _whole(value, -(2**63), 2**63 - 1)


def _settings(value: Any) -> bool:
    return isinstance(value, dict) and all(_name(key) and _setting(item) for key, item in value.items())


_NAME = (_name, "a short text")
_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "format": (lambda value: _whole(value, FORMAT, FORMAT), f"{FORMAT}"),
    "prompt": (_text, "a text"),
    "seed": (lambda value: _whole(value, 0, 2**63 - 1), "a whole number from 0 to 2^63 - 1"),
    "settings": (_settings, "a table of numbers and short texts"),
    "pathway": _NAME,
    "dtype": _NAME,
    "device": _NAME,
    "recipe": _NAME,
    "weights_sha256": _NAME,
    "janiform": _NAME,
    "torch": _NAME,
    "quantize": _NAME,
    "attention": _NAME,
    "count": (lambda value: _whole(value, 1, MAX_COUNT), f"a whole number from 1 to {MAX_COUNT}"),
}
"""Key -> what its value must be, as a check and in words."""
