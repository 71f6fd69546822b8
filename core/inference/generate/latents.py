"""Pictures whose latents are drawn place by place: one forward per place for all pictures and all their guidance rows.

B pictures    N places of a picture    C width of latents    R rows: B times those of the guidance    H hidden width
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...contracts import OnCodes, OnStep
from ...errors import UsageError
from ...guidance import Guidance
from ...sequence.spans import Sequence as SpanSequence
from .context import check_context_length
from .images import guidance_prompts
from .running import run_steps
from .steps import Decode, Prefill, Steps

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel
    from ...ports import Latents

Predict = Callable[[Tensor], Tensor]
"""Hidden states [R, H] before a place of all rows to the place's latents [B, C] of all pictures."""


def generate_latents(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    predict: Predict,
    *,
    guidance: Guidance,
    pathway: str = "generation",
    unconditional: Sequence[SpanSequence] | None = None,
    on_step: OnStep | None = None,
    on_codes: OnCodes | None = None,
) -> Tensor:
    """Draw the latents of one picture for each prompt, float32 [B, N, C], place by place in raster order.

    Args:
        predict: the latents of a place for all pictures, given the states before it of all guidance rows; the rows
            come in the order of the guidance, those of all pictures after one another.
        unconditional: the prompts of the unconditional rows; by default those that the layout gives.
        on_step: called with the number of places that are drawn of each picture, and of all.
        on_codes: called after every step with all latents so far, zeros at places that are not drawn yet.

    Raises:
        UsageError: the pathway does not draw latents place by place, or a prompt is too long; nothing was computed.
    """
    return run_steps(
        model,
        latents_steps(
            model,
            prompts,
            predict,
            guidance=guidance,
            pathway=pathway,
            unconditional=unconditional,
            on_step=on_step,
            on_codes=on_codes,
        ),
    )


def latents_steps(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    predict: Predict,
    *,
    guidance: Guidance,
    pathway: str = "generation",
    unconditional: Sequence[SpanSequence] | None = None,
    on_step: OnStep | None = None,
    on_codes: OnCodes | None = None,
) -> Steps[Tensor]:
    """The steps of ``generate_latents``, checked as there."""
    port = _latents(model, pathway)
    rows = guidance_prompts(model, prompts, guidance, unconditional)
    check_context_length(model, rows, port.tokens, "places of a picture")
    return _drawn(model, rows, len(prompts), predict, pathway, on_step, on_codes)


def _drawn(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    count: int,
    predict: Predict,
    pathway: str,
    on_step: OnStep | None,
    on_codes: OnCodes | None,
) -> Steps[Tensor]:
    port = _latents(model, pathway)
    drawn_BNC = torch.zeros(count, port.tokens, port.width, device=model.device)
    embedding, adapter = model.part(f"{pathway}.embedding"), model.part(f"{pathway}.adapter")
    hidden = yield Prefill(rows, port.tokens, route=model.plan.pathways[pathway].route)
    for step in range(port.tokens):
        latents_BC = drawn_BNC[:, step] = predict(hidden)
        if on_step is not None:
            on_step(step + 1, port.tokens)
        if on_codes is not None:
            on_codes(drawn_BNC)
        if step + 1 < port.tokens:
            embeddings_B1H = cast(Tensor, adapter(embedding(latents_BC[:, None], step)))
            hidden = yield Decode(embeddings_B1H.repeat(len(rows) // count, 1, 1))
    return drawn_BNC


def _latents(model: UnifiedModel, pathway: str) -> Latents:
    shape = model.plan.pathways.get(pathway)
    if shape is None or shape.mode != "draw" or shape.latents is None or shape.process is not None:
        raise UsageError(f"'{pathway}' is not a pathway that draws latents place by place")
    return shape.latents
