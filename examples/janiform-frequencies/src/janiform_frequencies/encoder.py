"""Frequencies of squares, through a small MLP."""

import torch
from torch import Tensor, nn

from .config import DctConfig
from .squares import Frequencies


class DctEncoder(nn.Module):
    """Pixels [B, 3, height, width] -> features [B, N, width]."""

    def __init__(self, config: DctConfig) -> None:
        super().__init__()
        self.frequencies = Frequencies(config)
        self.positions = nn.Parameter(torch.randn(config.grid.size, config.width) * 0.02)
        self.layers = nn.Sequential(
            nn.Linear(3 * config.kept, config.width), nn.GELU(), nn.Linear(config.width, config.width)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(self.frequencies(pixels)) + self.positions
