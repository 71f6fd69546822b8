"""Pictures for prompts, in rounds that fit into memory, with previews while they are drawn.

B pictures of a round    N places of a picture    d depth of a code    C width of latents
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from PIL import Image
from torch import Tensor

from ..contracts import OnCodes, OnStep
from ..errors import ComponentError, Problem
from ..pictures.sheet import to_pil
from ..ports import Codes
from ..sequence.codes import with_given
from .generate import decode_codes, sampler_of
from .generate.preview import filled
from .generate.sampler import sampler_use
from .memory import MemoryPlan

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.conversation import Conversation
    from ..sequence.spans import Sequence as SpanSequence


@frozen(eq=False)
class Preview:
    """Pictures while they are drawn.

    ``first``: the number of the first among all pictures of the call. ``codes``: int64 [B, N, d], −1 where none is
    drawn yet; or latents [B, N, C], as predicted at this step. ``done``: how many codes of each picture are drawn, or
    how many steps are done, out of ``of``. ``pictures``: the codes or latents decoded, where a missing code is replaced
    by the nearest one that is drawn; of codes with scales those of the scales that are drawn.
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
    """Steps between two previews; None is one row of the picture, or one step where it is not drawn place by place."""


@frozen(eq=False)
class DrawingTask:
    """What a call asks to draw: one picture for each of ``rows``, the prompts of ``requests``, with its seed.

    ``thoughts``: what the model wrote before each of the requests; empty texts where it wrote nothing.
    ``settings`` replace those of the pathway's sampler. ``plan``: the rounds in which the pictures fit into memory.
    """

    requests: Sequence[str | Conversation]
    thoughts: Sequence[str]
    rows: Sequence[SpanSequence]
    seeds: Sequence[int]
    plan: MemoryPlan
    pathway: str
    settings: Mapping[str, Any]


def draw_all(model: UnifiedModel, task: DrawingTask, events: DrawingEvents) -> list[Image.Image]:
    """The pictures of a task. Raises ``UsageError``."""
    pictures: list[Image.Image] = []
    for codes in _rounds(model, task, events):
        pictures += decoded_pictures(model, codes, task.pathway, task.plan.decoded)
    return pictures


def draw_codes(model: UnifiedModel, task: DrawingTask, events: DrawingEvents) -> Tensor:
    """The codes [B, N, d] or latents [B, N, C] of a task's pictures, on the CPU. Raises ``UsageError``."""
    return torch.cat([codes.cpu() for codes in _rounds(model, task, events)])


def _rounds(model: UnifiedModel, task: DrawingTask, events: DrawingEvents) -> Iterator[Tensor]:
    """The codes or latents of the pictures, by the recipe's sampler and in the rounds of the plan.

    Raises ``UsageError``, and ``ComponentError`` where the sampler leaves places without a code.
    """
    sampler = sampler_of(model.plan, task.pathway)
    for part in task.plan.parts:
        on_codes, count = _previews(model, task.pathway, part.start, events, task.plan.decoded)
        codes = sampler.draw(
            model,
            task.rows[part],
            pathway=task.pathway,
            seeds=task.seeds[part],
            on_step=_both(count, _counted(events.on_step, part, len(task.rows))),
            on_codes=on_codes,
            **task.settings,
        )
        _check_drawn(model, task.pathway, codes)
        yield codes


def _check_drawn(model: UnifiedModel, pathway: str, codes: Tensor) -> None:
    """Raise ``ComponentError`` where the schedule of a sampler ended before all codes were drawn."""
    if codes.is_floating_point() or not (missing := int((codes < 0).any(-1).sum())):
        return
    name = sampler_use(model.plan, pathway).component.name
    raise ComponentError(
        Problem(
            f"the sampler '{name}' left {missing} of {codes.shape[0] * codes.shape[1]} places without a code",
            hint="fix the plugin: its last step must draw all places that are left",
        )
    )


def _previews(
    model: UnifiedModel, pathway: str, first: int, events: DrawingEvents, at_once: int
) -> tuple[OnCodes | None, OnStep | None]:
    """Return the callbacks of a sampler: for the codes after a step, and for the number of steps."""
    on_preview = events.on_preview
    if on_preview is None:
        return None, None
    shape = model.plan.pathways[pathway]
    port = shape.drawn
    assert port is not None  # a pathway that draws has codes or latents
    # Pictures that are not drawn place by place change everywhere in every step, of which there are few.
    every = events.preview_every or (port.grid.width if shape.place_by_place else 1)
    steps, progress = 0, (0, 0)

    def on_step(done: int, of: int) -> None:
        nonlocal progress
        progress = done, of

    def on_codes(codes: Tensor) -> None:
        nonlocal steps
        steps += 1
        if steps % every:
            return
        done, of = (_drawn_places(codes), port.tokens) if isinstance(port, Codes) else progress
        if done < of:  # the finished pictures follow at once
            shown = unfinished_pictures(model, codes, pathway, at_once)
            on_preview(Preview(first, codes.clone(), done, of, shown))

    return on_codes, on_step


def unfinished_pictures(model: UnifiedModel, codes: Tensor, pathway: str, at_once: int = 1) -> list[Image.Image]:
    """Codes [B, N, d] of which some are −1, or latents [B, N, C], decoded as far as they are drawn; see ``Preview``."""
    port = model.plan.pathways[pathway].drawn
    if isinstance(port, Codes):
        codes = codes[:, : _drawn_places(codes)] if port.scales else _completed(codes, port)
    return decoded_pictures(model, codes, pathway, at_once)


def _drawn_places(codes: Tensor) -> int:
    return int((codes[0] >= 0).all(-1).sum())


def _completed(codes: Tensor, port: Codes) -> Tensor:
    """Codes [B, N, d] with those that are given, and others near by in place of those that are not drawn yet."""
    shown = codes.clone()
    shown[:, list(port.given)] = -1
    return with_given(filled(shown, port.grid), port)


def decoded_pictures(model: UnifiedModel, codes: Tensor, pathway: str, at_once: int = 1) -> list[Image.Image]:
    """Codes [B, N, d] or latents [B, N, C] as pictures, of which ``at_once`` are decoded together."""
    return [to_pil(pixels) for pixels in decode_codes(model, codes, pathway=pathway, at_once=at_once)]


def _both(first: OnStep | None, second: OnStep | None) -> OnStep | None:
    if first is None or second is None:
        return first or second

    def on_step(done: int, of: int) -> None:
        first(done, of)
        second(done, of)

    return on_step


def _counted(on_step: OnStep | None, part: slice, pictures: int) -> OnStep | None:
    """Progress over all pictures of the call from that of one round, which draws the pictures of ``part``."""
    if on_step is None:
        return None
    together = min(part.stop, pictures) - part.start
    return lambda done, of: on_step(part.start * of + done * together, pictures * of)
