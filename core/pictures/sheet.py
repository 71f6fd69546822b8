"""Tensors to pictures, and contact sheets of several pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from torch import Tensor

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
    ``columns`` defaults to a nearly square sheet.
    """
    captions = list(captions) if captions is not None else [""] * len(pictures)
    if len(captions) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures but {len(captions)} captions")
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    columns = min(len(pictures), columns or round(len(pictures) ** 0.5 + 0.49))
    rows = -(-len(pictures) // columns)
    font = _font(max(12, cell // 17))
    lines = [_wrap(caption, font, cell) for caption in captions]
    leading = int(font.getbbox("Ag")[3] * 1.3)
    heights = [leading * max(len(text) for text in lines[row * columns : (row + 1) * columns]) for row in range(rows)]
    gaps = [_MARGIN + (8 + height if height else 0) for height in heights]
    sheet = Image.new("RGB", (columns * (cell + _MARGIN) + _MARGIN, rows * cell + sum(gaps) + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (picture, text) in enumerate(zip(pictures, lines, strict=True)):
        row, column = divmod(index, columns)
        left = _MARGIN + column * (cell + _MARGIN)
        top = _MARGIN + row * cell + sum(gaps[:row])
        scaled = _fitted(picture, cell)
        sheet.paste(scaled, (left + (cell - scaled.width) // 2, top + (cell - scaled.height) // 2))
        for line, words in enumerate(text):
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
