"""Pictures for prompts, in rounds that fit into memory, with previews while they are drawn.

B pictures of a round    N codes of a picture    d depth of a code
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen
from PIL import Image
from torch import Tensor

from ..contracts import OnCodes, OnStep
from ..pictures.sheet import to_pil
from ..sequence.codes import with_given
from .generate import decode_codes, sampler_of
from .generate.preview import filled
from .memory import MemoryPlan

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence


@frozen(eq=False)
class Preview:
    """Pictures while they are drawn.

    ``first``: the number of the first among all pictures of the call. ``codes``: int64 [B, N, d], −1 where none is
    drawn yet. ``done``: how many codes of each picture are drawn, out of ``of``. ``pictures``: the codes decoded, where
    a missing code is replaced by the nearest one that is drawn.
    """

    first: int
    codes: Tensor
    done: int
    of: int
    pictures: list[Image.Image]


OnPreview = Callable[[Preview], None]


@frozen
class DrawingEvents:
    """What is called while pictures are drawn; see ``Model.generate``."""

    on_step: OnStep | None = None
    on_preview: OnPreview | None = None
    preview_every: int | None = None
    """Codes between two previews; None is one row of the picture."""


def draw_all(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    seeds: Sequence[int],
    plan: MemoryPlan,
    pathway: str,
    settings: Mapping[str, Any],
    events: DrawingEvents,
) -> list[Image.Image]:
    """One picture for each prompt, by the recipe's sampler and in the rounds of the plan. Raises ``UsageError``."""
    sampler = sampler_of(model.plan, pathway)
    pictures: list[Image.Image] = []
    for part in plan.parts:
        codes = sampler.draw(
            model,
            rows[part],
            pathway=pathway,
            seeds=seeds[part],
            on_step=_counted(events.on_step, part, len(rows)),
            on_codes=_previews(model, pathway, part.start, events, plan.decoded),
            **settings,
        )
        pictures += _decoded(model, codes, pathway, plan.decoded)
    return pictures


def _previews(model: UnifiedModel, pathway: str, first: int, events: DrawingEvents, at_once: int) -> OnCodes | None:
    on_preview = events.on_preview
    if on_preview is None:
        return None
    port = model.plan.pathways[pathway].codes
    assert port is not None  # a pathway that draws has codes
    grid, given = port.grid, list(port.given)
    every = grid.width if events.preview_every is None else events.preview_every
    steps = 0

    def on_codes(codes: Tensor) -> None:
        nonlocal steps
        steps += 1
        if steps % every:
            return
        done = int((codes[0] >= 0).all(-1).sum())
        if done < grid.size:  # the finished pictures follow at once
            shown = codes.clone()
            shown[:, given] = -1
            pictures = _decoded(model, with_given(filled(shown, grid), port), pathway, at_once)
            on_preview(Preview(first, codes.clone(), done, grid.size, pictures))

    return on_codes


def _decoded(model: UnifiedModel, codes: Tensor, pathway: str, at_once: int) -> list[Image.Image]:
    return [to_pil(pixels) for pixels in decode_codes(model, codes, pathway=pathway, at_once=at_once)]


def _counted(on_step: OnStep | None, part: slice, pictures: int) -> OnStep | None:
    """Progress over all pictures of the call from that of one round, which draws the pictures of ``part``."""
    if on_step is None:
        return None
    together = min(part.stop, pictures) - part.start
    return lambda done, of: on_step(part.start * of + done * together, pictures * of)
