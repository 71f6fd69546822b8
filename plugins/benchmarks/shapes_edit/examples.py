"""Examples to show: pictures beside what a model made of them, with verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from janiform import Conversation, Draw, Drawn, Look, Showcase, Turn, decode_codes, sampler_of, to_pil
from janiform import Sequence as Spans
from janiform_plugins.benchmarks.shapes.judging import pixels_of
from janiform_plugins.sources.shapes.edit_turn import edit_turn
from janiform_plugins.world import PICTURE_SIZE, detect_objects, render
from janiform_plugins.world.editing import sample_edit
from PIL import Image

from .config import ShapesEditConfig
from .verdicts import verdict

if TYPE_CHECKING:
    from janiform import Model

Progress = Callable[[str, int, int], None]

_GAP = 4
"""Columns between two pictures of a pair."""


def showcase(
    model: Model, config: ShapesEditConfig, kinds: Sequence[str], drawings: int, progress: Progress
) -> Showcase:
    """Edits of all kinds in turn, each shown as the picture to change and, to its right, the one that was drawn."""
    edits = [
        sample_edit(config.seed + 1, number, "held-out", (kinds[number % len(kinds)],), config.objects or None)
        for number in range(drawings)
    ]
    turns = [edit_turn(render(edit.source), edit.text, config.source_pathways) for edit in edits]
    settings = {"guidance": config.guidance, "temperature": config.temperature, "top_k": config.top_k}
    seeds = [config.seed + number for number in range(drawings)]
    pictures = draw_edits(model, turns, seeds, lambda done, of: progress("editing examples", done, of), **settings)
    shown = []
    for edit, picture in zip(edits, pictures, strict=True):
        words = verdict(edit, detect_objects(pixels_of(picture)))
        pair = _pair(render(edit.source), pixels_of(picture))
        shown.append(Drawn(edit.text, pair, words == "as asked", words))
    return Showcase(tuple(shown))


def draw_edits(
    model: Model, turns: Sequence[Turn], seeds: Sequence[int], on_step: Callable[[int, int], None], **settings: Any
) -> list[Image.Image]:
    """One picture for each user turn, which holds the picture to change and the instruction."""
    if not turns:
        return []
    unified, pathway = model.model, model.pathway("draw")
    looking = [name for name, shape in unified.plan.pathways.items() if shape.mode == "look"]
    rows = []
    for turn in turns:
        pieces = [
            Look(piece.picture, piece.pathway if piece.pathway in looking else looking[0])
            if isinstance(piece, Look)
            else piece
            for piece in turn.content
        ]
        whole = unified.processor.sequence(Conversation((Turn("user", pieces), Turn("assistant", Draw(None, pathway)))))
        end = next(number for number, span in enumerate(whole.spans) if span.kind == "draw")
        rows.append(Spans(whole.spans[:end]))
    sampler = sampler_of(unified.plan, pathway)
    chosen = {name: value for name, value in settings.items() if value is not None}
    codes = sampler.draw(unified, rows, pathway=pathway, seeds=list(seeds), on_step=on_step, **chosen)
    return [to_pil(pixels) for pixels in decode_codes(unified, codes, pathway=pathway)]


def _pair(before: np.ndarray, after: np.ndarray) -> Image.Image:
    canvas = np.full((PICTURE_SIZE, 2 * PICTURE_SIZE + _GAP, 3), 255, np.uint8)
    canvas[:, :PICTURE_SIZE], canvas[:, PICTURE_SIZE + _GAP :] = before, after
    return Image.fromarray(canvas)
