"""One matrix from the features' width to the hidden width, as in LLaVA (arXiv:2304.08485)."""

from __future__ import annotations

from janiform import Features, Hidden
from torch import Tensor, nn

from .config import LinearAdapterConfig


class LinearAdapter(nn.Module):
    """Features [B, N, width] -> [B, N, H]."""

    def __init__(self, config: LinearAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        self.proj = nn.Linear(source.width, hidden.width, bias=config.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.proj(features)
