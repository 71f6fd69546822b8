"""Tensors to pictures, and contact sheets of several pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..arguments import members, text, whole_number
from ..errors import UsageError
from .read import as_picture

if TYPE_CHECKING:
    from torch import Tensor

MAX_CELL = 4096
"""The largest side of a picture on a sheet, in pixels."""

_MARGIN = 16
_INK = (38, 38, 43)
_PAPER = (250, 249, 246)


def to_pil(pixels: Tensor) -> Image.Image:
    """Pixels [3, h, w] in [-1, 1] to an RGB picture; values outside are clipped, fractions truncated as in Janus."""
    scaled = ((pixels.detach().float().cpu() + 1) / 2 * 255).nan_to_num(0.0).clamp(0, 255)
    return Image.fromarray(scaled.permute(1, 2, 0).numpy().astype(np.uint8))


def contact_sheet(
    pictures: Sequence[Image.Image],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    *,
    cell: int = 256,
) -> Image.Image:
    """All pictures on one sheet, each scaled into a square of ``cell`` pixels with its caption below.

    Small pictures are enlarged by whole factors without smoothing, so that a sheet shows the pixels that were drawn.
    ``columns`` defaults to a nearly square sheet. Raises ``UsageError`` for arguments that do not make a sheet, and
    ``PictureError`` for a picture that cannot be read.
    """
    pictures = [as_picture(picture) for picture in members("pictures", pictures, "a list of pictures")]
    captions = [""] * len(pictures) if captions is None else members("captions", captions, "a list of texts")
    for caption in captions:
        text("a caption", caption)
    if len(captions) != len(pictures):
        raise UsageError(
            f"there must be one caption per picture; got {len(captions)} captions for {len(pictures)} pictures"
        )
    if not pictures:
        raise UsageError("a contact sheet needs at least one picture")
    columns = None if columns is None else whole_number("columns", columns, low=1)
    cell = whole_number("cell", cell, low=1, high=MAX_CELL)
    columns = min(len(pictures), columns or round(len(pictures) ** 0.5 + 0.49))
    rows = -(-len(pictures) // columns)
    font = _font(max(12, cell // 17))
    lines = [_wrap(caption, font, cell) for caption in captions]
    leading = int(font.getbbox("Ag")[3] * 1.3)
    heights = [leading * max(map(len, lines[row * columns : (row + 1) * columns])) for row in range(rows)]
    gaps = [_MARGIN + (8 + height if height else 0) for height in heights]
    sheet = Image.new("RGB", (columns * (cell + _MARGIN) + _MARGIN, rows * cell + sum(gaps) + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (picture, wrapped) in enumerate(zip(pictures, lines, strict=True)):
        row, column = divmod(index, columns)
        left = _MARGIN + column * (cell + _MARGIN)
        top = _MARGIN + row * cell + sum(gaps[:row])
        scaled = _fitted(picture, cell)
        sheet.paste(scaled, (left + (cell - scaled.width) // 2, top + (cell - scaled.height) // 2))
        for line, words in enumerate(wrapped):
            pen.text((left, top + cell + 8 + line * leading), words, font=font, fill=_INK)
    return sheet


def _fitted(picture: Image.Image, cell: int) -> Image.Image:
    picture = picture.convert("RGB")
    long = max(picture.size)
    if long <= cell:
        factor = cell // long
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    size = (max(1, picture.width * cell // long), max(1, picture.height * cell // long))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _font(size: int) -> Any:
    """Pillow's own font, which needs no file of the system; without FreeType, its fixed bitmap font."""
    try:
        return ImageFont.load_default(size)
    except (ImportError, OSError):
        return ImageFont.load_default()


def _wrap(text: str, font: Any, width: int) -> list[str]:
    """The text in lines of at most ``width`` pixels, three at most, cut with an ellipsis after that."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > 3:
        lines = [*lines[:2], lines[2] + " …"]
    return [_cut(line, font, width) for line in lines]


def _cut(line: str, font: Any, width: int) -> str:
    while line and font.getlength(line) > width:
        line = line[:-2] + "…" if len(line) > 2 else ""
    return line
