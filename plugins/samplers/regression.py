"""The sampler ``regression``: every place of a picture is what the head expects of it, given the places before.

B pictures    R rows: B times those of the guidance    C width of latents    H hidden width
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from janiform import Steps, latents_steps

from .base import Drawing, GuidedSampler
from .config import RegressionConfig

if TYPE_CHECKING:
    from torch import Tensor


class RegressionSampler(GuidedSampler[RegressionConfig]):
    """One place after the other, without random numbers."""

    name = "regression"
    deterministic = True

    def drawing_steps(self, drawing: Drawing[RegressionConfig]) -> Steps[Tensor]:
        head: Any = drawing.model.part(f"{drawing.pathway}.head")
        guidance = drawing.guidance
        whole = next((index for index, row in enumerate(guidance.rows) if not row.hidden), None)

        def predict(hidden: Tensor) -> Tensor:
            rows = head(hidden)
            if len(guidance) == 1:
                return rows
            mixed = guidance.mix(rows)
            if not drawing.config.renorm or whole is None:
                return mixed.to(rows.dtype)
            lengths = [torch.linalg.vector_norm(each.float(), dim=-1, keepdim=True) for each in (mixed, plain(rows))]
            return (mixed * lengths[1] / lengths[0].clamp(min=1e-12)).to(rows.dtype)

        def plain(rows: Tensor) -> Tensor:
            """The predictions [B, C] of the row that sees the whole prompt."""
            return rows.unflatten(0, (len(guidance), -1))[whole]

        return latents_steps(
            drawing.model,
            drawing.prompts,
            predict,
            guidance=guidance,
            pathway=drawing.pathway,
            on_step=drawing.on_step,
            on_codes=drawing.on_codes,
        )
