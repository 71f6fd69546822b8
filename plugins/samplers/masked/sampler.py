"""The masked sampler: all places are predicted in every step, and the most certain ones are kept.

B pictures    N places of a picture    T steps
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from janiform import Canvas, Corrupted, PortMismatch, UsageError, generating, uniforms

from ..overrides import overridden
from .config import MaskedConfig
from .step import fractions, last_step, step, temperatures

if TYPE_CHECKING:
    from janiform import Sequence as SpanSequence
    from janiform import UnifiedModel
    from torch import Tensor


class MaskedSampler:
    """See ``janiform.contracts.Sampler``."""

    def __init__(self, config: MaskedConfig) -> None:
        self.config = config

    def draw(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        *,
        pathway: str = "generation",
        seeds: Sequence[int] | None = None,
        on_step: Callable[[int, int], None] | None = None,
        on_codes: Callable[[Tensor], None] | None = None,
        **overrides: Any,
    ) -> Tensor:
        config = overridden(self.config, "masked", overrides)
        looks = {span.pathway for prompt in prompts for span in prompt.spans if span.kind == "look" and span.pathway}
        with generating(model):
            canvas = Canvas(model, prompts, config.guide(model.plan, looks), pathway)
            places, steps, device = canvas.shape.drawn.tokens, config.steps, model.device
            try:
                config.check_steps(places)
            except PortMismatch as mismatch:
                raise UsageError(str(mismatch)) from None
            noise = uniforms(len(prompts), 2 * steps * places, seeds).to(device)
            noise_T2BN = noise.view(steps, 2, places, len(prompts)).transpose(2, 3)
            codes = torch.full((len(prompts), places), -1, device=device)
            hidden = torch.ones_like(codes, dtype=torch.bool)
            after = fractions(config.schedule, steps).to(device)
            for number, temperature in enumerate(temperatures(config.temperature, steps)):
                logits = canvas.logits(codes[..., None], Corrupted(hidden=hidden))
                if number + 1 < steps:
                    codes, hidden = step(logits, codes, hidden, after[number], temperature, noise_T2BN[number])
                else:
                    codes = last_step(logits, codes, hidden, noise_T2BN[number])
                    hidden = torch.zeros_like(hidden)
                if on_step is not None:
                    on_step(number + 1, steps)
                if on_codes is not None:
                    on_codes(codes.masked_fill(hidden, -1)[..., None])
        return codes[..., None]
