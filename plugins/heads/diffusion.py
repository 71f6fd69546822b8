"""Values of single places, each drawn by a diffusion of its own: the loss of MAR (arXiv:2406.11838).

n pictures    N places of a picture    R places    K draws of the noise for each    C width of latents    Z width of
what a place is predicted from    W width of the net    G guidance rows
"""

from __future__ import annotations

import torch
from janiform import Corrupted, Hidden, Latents, Loss, PlaceNoise, PlaceSampling
from torch import Tensor, nn
from torch.nn.functional import silu

from ..embeddings.time import time_waves
from ..samplers.diffusion.process import STEPS
from .config import DiffusionHeadConfig, PlaceDiffusionConfig
from .iddpm import Schedule, losses, sampled, spaced

EPS = 1e-6


class Block(nn.Module):
    """A residual MLP [R, W] → [R, W], whose norm and output a condition [R, W] shifts and scales."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, EPS)
        self.into, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.modulation = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(silu(condition)).chunk(3, dim=-1)
        return x + gate * self.out(silu(self.into(self.norm(x) * (1 + scale) + shift)))


class Net(nn.Module):
    """MAR's ``SimpleMLPAdaLN``: noisy values [R, C], steps [R] and conditions [R, Z] → noise and variances [R, 2·C]."""

    def __init__(self, width: int, depth: int, frequencies: int, condition: int, values: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.time_into, self.time_out = nn.Linear(frequencies, width), nn.Linear(width, width)
        self.condition = nn.Linear(condition, width)
        self.enter = nn.Linear(values, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width, EPS, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, 2 * values)
        self._initialise()

    def _initialise(self) -> None:
        """As in MAR: what modulates and what leaves begins at zero, so that every block begins as the identity."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in (self.time_into, self.time_out):
            nn.init.normal_(layer.weight, std=0.02)
        zero = [self.modulation, self.leave, *(block.modulation for block in self.blocks)]
        for layer in zero:
            nn.init.zeros_(layer.weight)

    def forward(self, x: Tensor, steps: Tensor, conditions: Tensor) -> Tensor:
        dtype = self.enter.weight.dtype
        time = self.time_out(silu(self.time_into(time_waves(steps, self.frequencies).to(dtype))))
        condition = time + self.condition(conditions.to(dtype))
        x = self.enter(x.to(dtype))
        for block in self.blocks:
            x = block(x, condition)
        shift, scale = self.modulation(silu(condition)).chunk(2, dim=-1)
        return self.leave(self.norm(x) * (1 + scale) + shift)


class PlaceDiffusion(nn.Module):
    """The loss and the sampling of heads that draw each place by a diffusion, given what predicts it, [R, Z].

    ``width`` and ``depth`` are those of the net.
    """

    def __init__(self, config: PlaceDiffusionConfig, width: int, depth: int, condition: int, values: int) -> None:
        super().__init__()
        self.settings, self.values = config, values
        self.net = Net(width, depth, config.frequencies, condition, values)

    def loss(self, conditions: Tensor, target: Tensor, noise: PlaceNoise) -> Loss:
        """The mean over K steps and noises of each place, summed over places, float32; the count is R."""
        draws, target = self.settings.draws, target.float()
        steps = (noise.uniform(draws) * STEPS).long().clamp(max=STEPS - 1).flatten()
        fresh = noise.normal(draws * self.values).view(-1, self.values)
        data = target.repeat_interleave(draws, dim=0)
        schedule = Schedule.of(range(STEPS), data.device)
        x = schedule.noisy(data, fresh, steps)
        predicted = self.net(x, steps, conditions.repeat_interleave(draws, dim=0)).float()
        total = losses(schedule, data, fresh, steps, predicted).sum() / draws
        return Loss(total, torch.full_like(total, len(target), requires_grad=False))

    def sample(self, conditions: Tensor, sampling: PlaceSampling) -> Tensor:
        """Conditions [G·R, Z] to values [R, C], float32. Guidance mixes the noise; the variance is the plain row's."""
        steps = spaced(self.settings.steps)

        def predict(x: Tensor, step: int) -> tuple[Tensor, Tensor]:
            every = sampling.repeated(x)
            predicted = self.net(every, torch.full((len(every),), step, device=x.device), conditions).float()
            noise, spread = predicted.chunk(2, dim=-1)
            return sampling.mixed(noise), sampling.plain(spread)

        def fresh() -> Tensor:
            return sampling.normal(self.values) * sampling.temperature

        schedule = Schedule.of(steps, conditions.device)
        return sampled(schedule, steps, sampling.normal(self.values), predict, fresh, self.settings.clip)


class DiffusionHead(PlaceDiffusion):
    """Hidden states [n, lead + N, H] → values of places, each by a diffusion from the state at its own position."""

    def __init__(self, config: DiffusionHeadConfig, hidden: Hidden, drawn: Latents) -> None:
        config.predict(hidden, drawn)
        super().__init__(config, config.width, config.depth, hidden.width, drawn.width)
        self.places = drawn.tokens

    def forward(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """What each place is predicted from: the state at its position, [n, N, H]."""
        return hidden[:, -self.places :]
