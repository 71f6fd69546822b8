"""Pictures for prompts, in rounds that fit into memory, with previews of those that are on their way.

B pictures of a round    N codes of a picture    d depth of a code
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen
from PIL import Image
from torch import Tensor

from ..errors import UsageError
from ..pictures import to_pil
from .generate import decode_codes, sampler_of
from .generate.preview import filled
from .memory import MemoryPlan

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence


@frozen(eq=False)
class Preview:
    """Pictures that are being drawn.

    ``first``: the number of the first among all that were asked for. ``codes``: int64 [B, N, d], −1 where none is drawn
    yet. ``done`` codes of each are drawn, ``of`` so many. ``pictures``: what they would look like if the rest went on
    like the nearest that is drawn.
    """

    first: int
    codes: Tensor
    done: int
    of: int
    pictures: list[Image.Image]


OnStep = Callable[[int, int], None]
"""Called with how much is drawn, and of how much, counted in codes of all pictures."""

OnPreview = Callable[[Preview], None]


def draw_all(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    seeds: Sequence[int],
    plan: MemoryPlan,
    pathway: str,
    settings: dict[str, Any],
    *,
    on_step: OnStep | None = None,
    on_preview: OnPreview | None = None,
    preview_every: int | None = None,
) -> list[Image.Image]:
    """One picture for each prompt, by the recipe's sampler and in the rounds of the plan.

    ``preview_every``: steps between two previews; None is a row of the picture. Raises ``UsageError``.
    """
    sampler = sampler_of(model.plan, pathway)
    pictures: list[Image.Image] = []
    for part in plan.parts:
        more = dict(settings)
        if on_preview is not None:
            more["on_codes"] = _previews(model, pathway, part.start, on_preview, preview_every, plan.decoded)
        report = None if on_step is None else _counted(on_step, part, len(rows))
        codes = sampler.draw(model, rows[part], pathway=pathway, seeds=seeds[part], on_step=report, **more)
        pictures += _shown(model, codes, pathway, plan.decoded)
    return pictures


def _previews(
    model: UnifiedModel, pathway: str, first: int, on_preview: OnPreview, every: int | None, decoded: int
) -> Callable[[Tensor], None]:
    shape = model.plan.pathways[pathway].codes
    assert shape is not None  # a pathway that draws has codes
    grid = shape.grid
    every = grid.width if every is None else every
    if every < 1:
        raise UsageError(f"preview_every is at least 1, not {every}")
    steps = 0

    def on_codes(codes: Tensor) -> None:
        nonlocal steps
        steps += 1
        if steps % every:
            return
        done = int((codes[0] >= 0).all(-1).sum())
        if done < grid.size:  # else the pictures themselves are next
            pictures = _shown(model, filled(codes, grid), pathway, decoded)
            on_preview(Preview(first, codes.clone(), done, grid.size, pictures))

    return on_codes


def _shown(model: UnifiedModel, codes: Tensor, pathway: str, decoded: int) -> list[Image.Image]:
    return [to_pil(pixels) for pixels in decode_codes(model, codes, pathway=pathway, at_once=decoded)]


def _counted(on_step: OnStep, part: slice, pictures: int) -> OnStep:
    """Codes of the pictures of this round, and of those before it, out of all."""
    together = min(part.stop, pictures) - part.start
    return lambda done, of: on_step(part.start * of + done * together, pictures * of)
