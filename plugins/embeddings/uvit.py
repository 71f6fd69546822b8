"""The encoder of JanusFlow's shallow U-ViT, with the layer that maps to the hidden width.

n pictures    N places of a picture    C values of a place: c·p·p    W width of the blocks    H hidden width
"""

from __future__ import annotations

import torch
from janiform import Corrupted, Hidden, Latents
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from .config import UvitConfig
from .convnext import ConvNextBlock, off_grid, on_grid
from .time import TimeEmbedding


class UvitEmbedding(nn.Module):
    """Latents [n, N, C] -> vectors [n, 1 + N, H], of which the first is that of the time."""

    def __init__(self, config: UvitConfig, drawn: Latents, hidden: Hidden) -> None:
        super().__init__()
        config.embed(drawn, hidden)
        self.config, self.grid, self.width = config, drawn.grid, config.width
        self.time = TimeEmbedding(config.frequencies, hidden.width, config.multiplier, config.order)
        self.in_conv = nn.Conv2d(drawn.width // config.patch**2, config.width, config.patch, config.patch)
        self.blocks = nn.ModuleList(ConvNextBlock(config.width, hidden.width) for _ in range(config.blocks))
        self.aligner = nn.Linear(config.width, hidden.width)

    def forward(self, drawn: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        features, time = self.encode(drawn, corrupted)
        return torch.cat((time[:, None], self.aligner(off_grid(features))), dim=1)

    def encode(self, drawn: Tensor, corrupted: Corrupted | None = None) -> tuple[Tensor, Tensor]:
        """Features [n, W, h, w], which are the skip connection to the head, and the vector of the time [n, H]."""
        times = None if corrupted is None else corrupted.times
        if times is None:
            times = torch.full((len(drawn),), self.config.data_at, device=drawn.device)
        time = self.time(times)
        places = on_grid(drawn.to(self.in_conv.weight.dtype), self.grid.height, self.grid.width)
        features: Tensor = self.in_conv(pixel_shuffle(places, self.config.patch))
        for block in self.blocks:
            features = block(features, time)
        return features, time
