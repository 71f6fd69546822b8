"""The sampler ``masked-latents``: every step reads the picture so far, and the head draws some of its hidden places.

B pictures    N places of a picture    M places of each that a step draws    C width of latents    G guidance rows
"""

from __future__ import annotations

import math

import torch
from janiform import Corrupted, PlaceSampling, PortMismatch, Steps, UsageError, drawing_seeds
from torch import Tensor

from ..base import Drawing, GuidedSampler
from .config import MaskedLatentsConfig
from .process import MaskedLatentsProcess


class MaskedLatentsSampler(GuidedSampler[MaskedLatentsConfig]):
    """Some places in every step. Reports the latents so far, zeros where none are drawn."""

    name = "masked-latents"

    def drawing_steps(self, drawing: Drawing[MaskedLatentsConfig]) -> Steps[Tensor]:
        model, config = drawing.model, drawing.config
        shape = model.plan.pathways.get(drawing.pathway)
        if shape is None or shape.latents is None or not isinstance(shape.process, MaskedLatentsProcess):
            raise UsageError(f"'{drawing.pathway}' is not a pathway whose pictures the sampler 'masked-latents' draws")
        count, places = len(drawing.prompts), shape.latents.tokens
        try:
            config.check_steps(places)
        except PortMismatch as mismatch:
            raise UsageError(str(mismatch)) from None
        chance = [torch.Generator().manual_seed(seed) for seed in drawing_seeds(count, drawing.seeds)]
        order = torch.stack([torch.randperm(places, generator=each) for each in chance]).to(model.device)
        latents = torch.zeros(count, places, shape.latents.width, device=model.device)
        hidden = torch.ones(count, places, dtype=torch.bool, device=model.device)
        before = places
        canvas = drawing.canvas()
        for step, after in enumerate(left_after(places, config.steps)):
            chosen = order[:, after:before]
            conditions = canvas.values(latents, Corrupted(hidden=hidden))
            conditions = _picked(conditions, chosen).flatten(0, 2)
            linear = config.guidance_schedule == "linear"
            sampling = PlaceSampling(
                canvas.guidance,
                chance,
                before - after,
                strength=(places - after) / places if linear else 1.0,
                temperature=config.temperature,
                device=model.device,
            )
            values: Tensor = canvas.head.sample(conditions, sampling).view(*chosen.shape, -1)
            latents = latents.scatter(1, chosen[..., None].expand_as(values), values)
            hidden = hidden.scatter(1, chosen, False)
            before = after
            drawing.report(step + 1, config.steps, latents)
            yield None
        return latents


def left_after(places: int, steps: int) -> list[int]:
    """How many of N places are hidden after each step: ⌊N·cos(π/2 · k/steps)⌋ after k, and fewer than before it."""
    left, counts = places, []
    for step in range(1, steps):
        left = max(1, min(left - 1, math.floor(places * math.cos(math.pi / 2 * step / steps))))
        counts.append(left)
    return [*counts, 0]


def _picked(values: Tensor, places: Tensor) -> Tensor:
    """Values [G, B, N, Z] at places [B, M], [G, B, M, Z]."""
    rows = torch.arange(len(places), device=places.device)[:, None]
    return values[:, rows, places]
