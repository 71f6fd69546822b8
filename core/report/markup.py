"""HTML and SVG as text; everything that is not ``Markup`` is escaped."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

from PIL import Image


class Markup(str):
    """Text that is markup, which is not escaped again."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | float | None) -> Markup:
    """An element. Children are escaped unless they are ``Markup``; children and attributes that are None are left out.

    An underscore in an attribute's name stands for a hyphen, one at its end for nothing (``class_``).
    """
    inner = "".join(child if isinstance(child, Markup) else html.escape(child) for child in children if child)
    settings = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_plain(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("img", "meta", "input", "line", "circle", "path", "rect") and not inner:
        return Markup(f"<{name}{settings}/>" if name != "meta" else f"<{name}{settings}>")
    return Markup(f"<{name}{settings}>{inner}</{name}>")


def escaped(text: str) -> Markup:
    """Plain text, escaped."""
    return Markup(html.escape(text))


def join(parts: list[Markup]) -> Markup:
    """Pieces of markup, joined."""
    return Markup("".join(parts))


def data_uri(picture: Image.Image) -> str:
    """The picture as a data URI of a PNG."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def file_uri(path: Path) -> str:
    """A PNG file as a data URI, with the file's bytes."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _plain(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
