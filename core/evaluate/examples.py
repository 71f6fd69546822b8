"""Examples of right and wrong outputs, with small copies of their pictures, for the page of an evaluation."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..contracts import Item, Request
from ..errors import PictureError
from ..pictures.read import as_picture, read_picture
from ..sequence.conversation import Look
from .checked import LOSS, CheckedBenchmark
from .results import Example

MOST = 6
"""Number of right outputs that are shown, and of wrong ones."""

SIDE = 256
"""Longer side of the copies of pictures."""

_PIXEL_ART = 128
"""Longer side up to which pictures are stored without loss: JPEG would blur them."""

RIGHT = 0.5
"""The value of the first metric of an output from which it is right."""


def verdicts(items: Sequence[Item]) -> dict[str, Item]:
    """For each request the item of its first metric, whose value tells whether the output is right."""
    first: dict[str, Item] = {}
    for item in items:
        if not item.metric.startswith(LOSS):
            first.setdefault(item.item, item)
    return first


def examples_of(
    benchmark: CheckedBenchmark, requests: Sequence[Request], items: Sequence[Item], pictures: Path | None = None
) -> list[Example]:
    """Wrong outputs and right ones, at equal distances through the benchmark, wrong ones first.

    ``pictures``: the folder that predictions name the files of drawings in; without it drawings are not shown.
    """
    first = verdicts(items)
    wrong: list[int] = []
    right: list[int] = []
    # Only numbers are kept: requests may hold their pictures.
    for number, request in enumerate(requests):
        if request.item in first:
            (wrong if first[request.item].value < RIGHT else right).append(number)
    chosen = (requests[number] for number in (*_spread(wrong), *_spread(right)))
    return [_example(benchmark, request, first[request.item], pictures) for request in chosen]


def _spread(numbers: Sequence[int]) -> list[int]:
    count = min(MOST, len(numbers))
    return [numbers[index * len(numbers) // count] for index in range(count)]


def _example(benchmark: CheckedBenchmark, request: Request, item: Item, pictures: Path | None) -> Example:
    question = request.conversation.turns[-1].text.strip()
    try:
        picture = _drawing(item, pictures) if request.draws else _asked_about(request)
    except (PictureError, OSError):  # an example is shown without its picture
        picture = None
    uri = "" if picture is None else thumbnail_uri(picture)
    return Example(request.item, question, benchmark.expected(request), uri, request.draws)


def _asked_about(request: Request) -> Image.Image | None:
    looks = [piece for turn in request.conversation.turns for piece in turn.content if isinstance(piece, Look)]
    return as_picture(looks[0].picture) if looks else None


def _drawing(item: Item, pictures: Path | None) -> Image.Image | None:
    return read_picture(pictures / item.prediction) if pictures is not None and item.prediction else None


def thumbnail_uri(picture: Image.Image) -> str:
    """A small copy of a picture as a data URI."""
    copy = picture.convert("RGB")
    copy.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    kind = "PNG" if max(copy.size) <= _PIXEL_ART else "JPEG"
    copy.save(buffer, format=kind, **({"optimize": True} if kind == "PNG" else {"quality": 82}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
