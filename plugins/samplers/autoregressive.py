"""The autoregressive sampler: ``janiform.generate_codes`` with the settings of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from janiform import Steps, codes_steps

from .base import Drawing, GuidedSampler
from .config import AutoregressiveConfig

if TYPE_CHECKING:
    from torch import Tensor


class AutoregressiveSampler(GuidedSampler[AutoregressiveConfig]):
    """One code after the other."""

    name = "autoregressive"

    def drawing_steps(self, drawing: Drawing[AutoregressiveConfig]) -> Steps[Tensor]:
        return codes_steps_of(drawing, drawing.config)


def codes_steps_of(drawing: Drawing[Any], config: AutoregressiveConfig) -> Steps[Tensor]:
    """The steps of a request that draws one code after the other."""
    return codes_steps(
        drawing.model,
        drawing.prompts,
        guidance=drawing.guidance,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        pathway=drawing.pathway,
        seeds=drawing.seeds,
        on_step=drawing.on_step,
        on_codes=drawing.on_codes,
    )
