"""Nothing is computed."""

from __future__ import annotations

from janiform import Features, Hidden
from torch import Tensor, nn

from .config import IdentityAdapterConfig


class IdentityAdapter(nn.Module):
    """Features [B, N, H] -> the same."""

    def __init__(self, config: IdentityAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Tensor:
        return features
