"""Latents of a picture to the vectors that the backbone reads.

n pictures    N places of a picture    C width of latents    H hidden width
"""

from __future__ import annotations

import torch
from janiform import ComponentError, Corrupted, Hidden, Latents
from janiform_plugins.sinusoidal import grid_waves
from torch import Tensor, nn
from torch.nn.functional import gelu

from .config import PatchesConfig
from .time import TimeEmbedding


class PatchEmbedding(nn.Module):
    """Latents [n, N, C] -> vectors [n, lead + N, H]. The time of complete pictures is that of ``data_at``."""

    def __init__(self, config: PatchesConfig, drawn: Latents, hidden: Hidden) -> None:
        super().__init__()
        self.config, self.grid = config, drawn.grid
        config.embed(drawn, hidden)
        self.project = nn.Linear(drawn.width, hidden.width)
        self.further = nn.ModuleList(nn.Linear(hidden.width, hidden.width) for _ in range(config.layers - 1))
        self.time = (
            None
            if config.time == "none"
            else TimeEmbedding(config.frequencies, hidden.width, config.multiplier, config.order)
        )
        learned = config.positions == "learned"
        self.positions = nn.Parameter(torch.randn(drawn.tokens, hidden.width) * 0.02) if learned else None
        self.masked = nn.Parameter(torch.randn(hidden.width) * 0.02) if config.mask else None

    def forward(self, drawn: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        vectors = self.project(drawn.to(self.project.weight.dtype))
        for layer in self.further:
            vectors = layer(gelu(vectors))
        if corrupted is not None and corrupted.hidden is not None:
            if self.masked is None:
                raise ComponentError("embedding 'patches' has no vector for hidden places: set its 'mask' to true")
            vectors = torch.where(corrupted.hidden[..., None], self.masked.to(vectors.dtype), vectors)
        positions = self._positions(vectors)
        if positions is not None:
            vectors = vectors + positions[first : first + vectors.shape[1]]
        if self.time is None:
            return vectors
        times = None if corrupted is None else corrupted.times
        if times is None:
            times = torch.full((len(drawn),), self.config.data_at, device=drawn.device)
        time = self.time(times)[:, None]
        return vectors + time if self.config.time == "add" else torch.cat((time.to(vectors.dtype), vectors), dim=1)

    def _positions(self, like: Tensor) -> Tensor | None:
        """The position vectors [N, H] of all places, if any."""
        if self.config.positions == "waves":
            return grid_waves(self.grid, like.shape[-1], like.device).to(like.dtype)
        return self.positions
