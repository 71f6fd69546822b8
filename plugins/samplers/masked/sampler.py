"""The masked sampler: all places are predicted in every step, and the most certain ones are kept.

B pictures    N places of a picture    T steps
"""

from __future__ import annotations

import torch
from janiform import Corrupted, PortMismatch, Steps, UsageError, uniforms
from torch import Tensor

from ..base import Drawing, GuidedSampler
from .config import MaskedConfig
from .step import fractions, last_step, step, temperatures


class MaskedSampler(GuidedSampler[MaskedConfig]):
    """All places in every step."""

    name = "masked"

    def drawing_steps(self, drawing: Drawing[MaskedConfig]) -> Steps[Tensor]:
        config, count, device = drawing.config, len(drawing.prompts), drawing.model.device
        canvas = drawing.canvas()
        places, steps = canvas.drawn.tokens, config.steps
        try:
            config.check_steps(places)
        except PortMismatch as mismatch:
            raise UsageError(str(mismatch)) from None
        noise = uniforms(count, 2 * steps * places, drawing.seeds).to(device)
        noise_T2BN = noise.view(steps, 2, places, count).transpose(2, 3)
        codes = torch.full((count, places), -1, device=device)
        hidden = torch.ones_like(codes, dtype=torch.bool)
        after = fractions(config.schedule, steps).to(device)
        for number, temperature in enumerate(temperatures(config.temperature, steps)):
            logits = canvas.logits(codes[..., None], Corrupted(hidden=hidden))
            if number + 1 < steps:
                codes, hidden = step(logits, codes, hidden, after[number], temperature, noise_T2BN[number])
            else:
                codes = last_step(logits, codes, hidden, noise_T2BN[number])
                hidden = torch.zeros_like(hidden)
            drawing.report(number + 1, steps, codes.masked_fill(hidden, -1)[..., None])
            yield None
        return codes[..., None]
