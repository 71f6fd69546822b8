"""Examples to show: pictures beside what a model made of them, with verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from janiform import Conversation, Drawn, Look, Showcase, Turn
from janiform_plugins.benchmarks.shapes.judging import pixels_of
from janiform_plugins.world import PICTURE_SIZE, detect_objects, render
from janiform_plugins.world.editing import Edit, sample_edit
from numpy.typing import NDArray
from PIL import Image

from .config import ShapesEditConfig
from .verdicts import verdict

if TYPE_CHECKING:
    from janiform import Model

Progress = Callable[[str, int, int], None]

_GAP = 4
"""Columns between two pictures of a pair."""


def asking(edit: Edit) -> Conversation:
    """The request for an edit: the picture to change, and the instruction."""
    return Conversation((Turn("user", (Look(render(edit.source)), edit.text)),))


def showcase(
    model: Model, config: ShapesEditConfig, kinds: Sequence[str], drawings: int, progress: Progress
) -> Showcase:
    """Edits of all kinds in turn, each shown as the picture to change and, to its right, the one that was drawn."""
    edits = [
        sample_edit(config.seed + 1, number, "held-out", (kinds[number % len(kinds)],), config.objects or None)
        for number in range(drawings)
    ]
    pictures = model.generate(
        [asking(edit) for edit in edits],
        seed=[config.seed + number for number in range(drawings)],
        think=config.think,
        guidance=config.guidance,
        temperature=config.temperature,
        top_k=config.top_k,
        on_step=lambda done, of: progress("editing examples", done, of),
    )
    shown = []
    for edit, picture in zip(edits, pictures, strict=True):
        words = verdict(edit, detect_objects(pixels_of(picture)))
        shown.append(Drawn(edit.text, _pair(render(edit.source), pixels_of(picture)), words == "as asked", words))
    return Showcase(tuple(shown))


def _pair(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Image.Image:
    canvas = np.full((PICTURE_SIZE, 2 * PICTURE_SIZE + _GAP, 3), 255, np.uint8)
    canvas[:, :PICTURE_SIZE], canvas[:, PICTURE_SIZE + _GAP :] = before, after
    return Image.fromarray(canvas)
