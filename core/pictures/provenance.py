"""Provenance of a picture: how it was drawn, kept with it, written into its PNG, and validated when it is read back.

A drawn picture carries one JSON object as text under the key ``janiform`` of its ``info``, where Pillow also puts the
text of a PNG that it opens. In the file it is an iTXt chunk:

    {"format": 1, "prompt": "a red circle", "seed": 4, "settings": {"guidance": 2.0, "temperature": 1.0, "top_k": 0},
     "pathway": "generation", "count": 1, "dtype": "float32", "device": "cpu", "recipe": "janus-mini",
     "weights_sha256": "…", "janiform": "0.1.0", "torch": "2.8.0"}
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import attrs
import numpy as np
from attrs import field, frozen
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..arguments import shown
from ..errors import PictureError, Problem
from .read import as_picture

KEY = "janiform"
"""The key of the text in a PNG, and in the ``info`` of a picture."""

FORMAT = 1
MAX_CHARACTERS = 1 << 20
"""Longer texts are not parsed; a prompt that fits into a model's context is far shorter."""

MAX_COUNT = 10_000
MAX_SOURCES = 1_000

Setting: TypeAlias = str | int | float | bool | None


def _digest_texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen
class Provenance:
    """Everything that is needed to redraw a picture with the same model. It holds no path of a file."""

    prompt: str
    seed: int
    """The seed of the picture, or of the first one on a sheet."""
    settings: Mapping[str, Setting] = field(converter=dict)
    """All settings of the sampler."""
    pathway: str
    dtype: str
    """Data type of the weights in memory: ``float32``, …"""
    device: str
    """The type of the device: ``cpu``, ``cuda``, …"""
    recipe: str
    weights_sha256: str
    """The digest of the weights' file; empty for weights that came from no file."""
    janiform: str
    torch: str
    quantize: str = ""
    """Quantisation of the backbone's weights: ``int8``, ``int4``; empty for none."""
    attention: str = ""
    """The kernel that computed attention: ``sdpa@1``; empty in pictures that do not record it."""
    sampler: str = ""
    """The component that drew it: ``autoregressive@1``; empty in pictures that do not record it."""
    sources: tuple[str, ...] = field(default=(), converter=_digest_texts)
    """The digests of the pictures that it was drawn from: see ``pixels_digest``."""
    thought: str = ""
    """What the model wrote before it drew; empty where it wrote nothing."""
    turns: int = 1
    """The number of turns of the conversation that asked for it, of which ``prompt`` is the last."""
    count: int = 1
    """The number of pictures on a contact sheet, whose seeds follow one another; 1 for a single picture."""

    def as_json(self) -> str:
        """The JSON object on one line; control characters, such as line breaks, are written as escapes."""
        return json.dumps({"format": FORMAT, **attrs.asdict(self)}, ensure_ascii=False, default=str)


def pixels_digest(picture: Any) -> str:
    """The SHA-256 of a picture's size and RGB pixels; of a tensor or of codes, that of their shape and values."""
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture.convert("RGB"))
    values = np.ascontiguousarray(picture.cpu().numpy() if hasattr(picture, "cpu") else picture)
    digest = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    digest.update(values.tobytes())
    return digest.hexdigest()


def attach(picture: Image.Image, provenance: Provenance) -> Image.Image:
    """Store the provenance in the picture; returns the same picture."""
    picture.info[KEY] = provenance.as_json()
    return picture


def provenance_of(picture: str | os.PathLike[str] | bytes | Image.Image | np.ndarray) -> Provenance:
    """The provenance of a picture that a model drew, or of one that was saved as PNG.

    Raises:
        PictureError: the picture cannot be read, has no provenance, or has one that is not valid.
    """
    name = f"'{picture}'" if isinstance(picture, str | os.PathLike) else "the picture"
    text = as_picture(picture).info.get(KEY)
    if not isinstance(text, str):
        raise PictureError(
            Problem(
                f"{name} does not say how it was drawn",
                hint="PNGs that janiform wrote say it; conversion to JPEG and many websites drop it",
            )
        )
    return parse(text, name)


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as the bytes of a PNG, with its provenance where it has one."""
    chunks = PngInfo()
    try:
        provenance = provenance_of(picture) if KEY in picture.info else None
    except PictureError:  # a picture from elsewhere, whose text is not valid and is not copied
        provenance = None
    if provenance is not None:
        # Keywords that picture viewers show; NUL ends their texts.
        chunks.add_itxt("Description", provenance.prompt.replace("\0", " "))
        chunks.add_itxt("Software", f"janiform {provenance.janiform}")
        chunks.add_itxt(KEY, provenance.as_json())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=chunks)
    return buffer.getvalue()


def save_picture(picture: Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write a picture as PNG, with its provenance; an existing file is replaced atomically.

    Raises:
        PictureError: the path does not end in ``.png``.
        StorageError: the disk is full, or the folder may not be written.
    """
    from ..storage.atomic import write_files

    if not isinstance(picture, Image.Image):
        raise PictureError(f"a picture to save must be a PIL picture, not {type(picture).__name__}")
    if not isinstance(path, str | os.PathLike):
        raise PictureError(f"a picture is saved in a file, whose path cannot be {shown(path)}")
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise PictureError(f"'{path}' does not end in .png; other formats do not keep how a picture was drawn")
    data = png_bytes(picture)

    def write(part: Path) -> None:
        part.write_bytes(data)

    write_files(path.parent, {path.name: write})
    return path


def parse(text: str, name: str = "the picture") -> Provenance:
    """The provenance that ``as_json`` wrote; unknown keys are ignored. Raises ``PictureError``."""
    subject = f"the record in {name} of how it was drawn"
    if len(text) > MAX_CHARACTERS:
        raise PictureError(f"{subject} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    try:
        record = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise PictureError(f"{subject} is nested too deeply") from None
    except ValueError as error:
        raise PictureError(f"{subject} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise PictureError(f"{subject} is not a JSON object")
    written = record.get("format")
    if type(written) is int and written > FORMAT:
        raise PictureError(f"{subject} has format {written} of a newer janiform; this one reads format {FORMAT}")
    record = {
        "count": 1,
        "quantize": "",
        "attention": "",
        "sampler": "",
        "sources": [],
        "thought": "",
        "turns": 1,
        **record,
    }
    wrong = [f"'{key}' is not {what}" for key, (fits, what) in _FIELDS.items() if not fits(record.get(key))]
    if wrong:
        raise PictureError(f"{subject} is not valid: " + ", ".join(wrong))
    return Provenance(**{key: record[key] for key in _FIELDS if key != "format"})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a valid number")


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


def _digests(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= MAX_SOURCES and all(map(_name, value))


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
    "sampler": _NAME,
    "sources": (_digests, "a list of digests"),
    "thought": (_text, "a text"),
    "turns": (lambda value: _whole(value, 1, MAX_COUNT), f"a whole number from 1 to {MAX_COUNT}"),
    "count": (lambda value: _whole(value, 1, MAX_COUNT), f"a whole number from 1 to {MAX_COUNT}"),
}
"""Key -> the check of its value, and what the value must be in words."""
