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
from ...sequence.routes import Routes
from ...sequence.spans import Sequence as SpanSequence
from .context import check_context_length
from .decode import decode
from .engine import engine_of, generating
from .images import guidance_prompts
from .sampling import Sampling

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
    port = _latents(model, pathway)
    rows = guidance_prompts(model, prompts, guidance, unconditional)
    check_context_length(model, rows, port.tokens, "places of a picture")
    drawn_BNC = torch.zeros(len(prompts), port.tokens, port.width, device=model.device)
    with generating(model):
        engine = engine_of(model)
        state = engine.prefill(rows, port.tokens)
        if model.plan.hidden.routes:
            state.routes = Routes.only(model.plan.pathways[pathway].route, len(model.plan.hidden.routes) + 1)
        output = LatentOutput(model, pathway, predict, len(guidance))
        for step, latents_BC in enumerate(decode(engine, state, output, Sampling(temperature=0), None, port.tokens)):
            drawn_BNC[:, step] = latents_BC
            if on_step is not None:
                on_step(step + 1, port.tokens)
            if on_codes is not None:
                on_codes(drawn_BNC)
    return drawn_BNC


class LatentOutput:
    """Latents of pictures, whose rows come once for each of ``rows`` rows of the guidance."""

    def __init__(self, model: UnifiedModel, pathway: str, predict: Predict, rows: int) -> None:
        self.embedding = model.part(f"{pathway}.embedding")
        self.adapter = model.part(f"{pathway}.adapter")
        self.predict = predict
        self.rows = rows

    def sample(self, hidden: Tensor, sampling: Sampling, uniforms: Tensor | None, step: int) -> Tensor:
        """Hidden states [R, H] to the latents [B, C] of the place ``step``."""
        return self.predict(hidden)

    def embed(self, latents: Tensor, step: int) -> Tensor:
        """Latents [B, C] of the place ``step`` in the picture to embeddings [R, 1, H]."""
        return cast(Tensor, self.adapter(self.embedding(latents[:, None], step))).repeat(self.rows, 1, 1)


def _latents(model: UnifiedModel, pathway: str) -> Latents:
    shape = model.plan.pathways.get(pathway)
    if shape is None or shape.mode != "draw" or shape.latents is None or shape.process is not None:
        raise UsageError(f"'{pathway}' is not a pathway that draws latents place by place")
    return shape.latents
