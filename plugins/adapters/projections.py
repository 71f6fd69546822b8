"""Adapters that map each feature separately: none, one matrix, or an MLP."""

from __future__ import annotations

from itertools import pairwise

import torch
from janiform import Features, Hidden
from torch import Tensor, nn

from .config import IdentityAdapterConfig, LinearAdapterConfig, MlpAdapterConfig


class IdentityAdapter(nn.Module):
    """Features [B, N, H], unchanged."""

    def __init__(self, config: IdentityAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Tensor:
        return features


class LinearAdapter(nn.Module):
    """Features [B, N, width] -> [B, N, H] by one matrix, as in LLaVA (arXiv:2304.08485)."""

    def __init__(self, config: LinearAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        self.proj = nn.Linear(source.width, hidden.width, bias=config.bias)
        self.lead = nn.Parameter(torch.randn(1, hidden.width) * 0.02) if config.lead else None

    def forward(self, features: Tensor) -> Tensor:
        vectors = self.proj(features)
        return vectors if self.lead is None else torch.cat((self.lead.expand(len(vectors), 1, -1), vectors), dim=1)


class MlpAdapter(nn.Module):
    """Features [B, N, width] -> [B, N, H] by Linear(width, H), then depth - 1 times an activation and Linear(H, H)."""

    def __init__(self, config: MlpAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        widths = (source.width, *[hidden.width] * config.depth)
        modules: list[nn.Module] = []
        for before, after in pairwise(widths):
            modules += [nn.GELU() if config.activation == "gelu" else nn.SiLU(), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules[1:])

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)
