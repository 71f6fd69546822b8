"""The sampler ``diffusion``: every step reads all places of a picture and takes some of their noise away.

B pictures    R guidance rows    N places of a picture    C width of latents
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from janiform import Corrupted, Steps, UsageError, drawing_seeds
from torch import Tensor

from ..base import Drawing, GuidedSampler
from .config import DiffusionConfig
from .process import STEPS, DiffusionProcess, kept


def taken(steps: int) -> list[int]:
    """The numbers of steps that a picture has taken before each of ``steps`` steps of drawing, and 0.

    Those of diffusers' ``timestep_spacing="trailing"``, counted from 1, where 1000 is a multiple of ``steps``.
    """
    return [round(STEPS * (steps - index) / steps) for index in range(steps)] + [0]


def step_back(
    z: Tensor,
    predicted: Tensor,
    left: float,
    following: float,
    of: Literal["noise", "data"],
    noise: Tensor | None = None,
    eta: float = 0.0,
    clip: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Latents z [B, N, C] one step on, and the data that they would be; equations 12 and 16 of arXiv:2010.02502.

    ``left`` and ``following``: the shares of the variance that are the data's, before and after the step.
    """
    data = predicted if of == "data" else (z - (1 - left) ** 0.5 * predicted) / left**0.5
    if clip:
        data = data.clamp(-clip, clip)
    old = predicted if of == "noise" and not clip else (z - left**0.5 * data) / (1 - left) ** 0.5
    variance = eta**2 * (1 - following) / (1 - left) * (1 - left / following)
    z = following**0.5 * data + max(0.0, 1 - following - variance) ** 0.5 * old
    return (z if noise is None else z + variance**0.5 * noise), data


class DiffusionSampler(GuidedSampler[DiffusionConfig]):
    """All places in every step; reports what the pictures would be by the current prediction."""

    name = "diffusion"

    def drawing_steps(self, drawing: Drawing[DiffusionConfig]) -> Steps[Tensor]:
        model, config = drawing.model, drawing.config
        shape = model.plan.pathways.get(drawing.pathway)
        if shape is None or shape.latents is None or not isinstance(shape.process, DiffusionProcess):
            raise UsageError(f"'{drawing.pathway}' is not a pathway whose pictures the sampler 'diffusion' draws")
        seeds = drawing_seeds(len(drawing.prompts), drawing.seeds)
        noise = _Noise(seeds, (shape.latents.tokens, shape.latents.width), model.device)
        canvas = drawing.canvas()
        z, path, table = noise(), taken(config.steps), kept()
        for step, (now, after) in enumerate(itertools.pairwise(path)):
            times = torch.full((len(z),), now / STEPS, device=z.device)
            predicted = canvas.guidance.mix(canvas.values(z, Corrupted(times)).float().flatten(0, 1))
            fresh = noise() if config.eta and after else None
            left, following = table[now], table[after]
            z, data = step_back(z, predicted, left, following, shape.process.of, fresh, config.eta, config.clip)
            drawing.report(step + 1, config.steps, data if after else z)
            yield None
        return z


class _Noise:
    """Standard normal numbers [B, N, C] in every call, those of each picture from its own seed."""

    def __init__(self, seeds: Sequence[int], shape: tuple[int, int], device: torch.device) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape, self.device = shape, device

    def __call__(self) -> Tensor:
        rows = [torch.randn(self.shape, generator=generator) for generator in self.generators]
        return torch.stack(rows).to(self.device)
