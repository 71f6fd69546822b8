"""Linear layers with GELU between them."""

from __future__ import annotations

from itertools import pairwise

from janiform import Features, Hidden
from torch import Tensor, nn

from .config import MlpAdapterConfig


class MlpAdapter(nn.Module):
    """Features [B, N, width] -> [B, N, H]: Linear(width, H), then GELU, Linear(H, H) as often as the depth says."""

    def __init__(self, config: MlpAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        widths = (source.width, *[hidden.width] * config.depth)
        modules: list[nn.Module] = []
        for before, after in pairwise(widths):
            modules += [nn.GELU(), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules[1:])

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)
