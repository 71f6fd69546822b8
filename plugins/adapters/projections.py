"""Adapters that map each feature separately: none, one matrix, or an MLP."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from janiform import Features, Hidden
from janiform_plugins.sinusoidal import grid_waves
from torch import Tensor, nn

from .config import IdentityAdapterConfig, LinearAdapterConfig, MlpAdapterConfig

_ACTIVATIONS = {"gelu": nn.GELU, "gelu-tanh": partial(nn.GELU, "tanh"), "silu": nn.SiLU}


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
    """Features [B, N, width] -> [B, N, H] by Linear(width, H), then depth - 1 times an activation and Linear(H, H).

    With waves, those of column and row are added to the result, as in BAGEL (arXiv:2505.14683).
    """

    def __init__(self, config: MlpAdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        widths = (source.width, *[hidden.width] * config.depth)
        modules: list[nn.Module] = []
        for before, after in pairwise(widths):
            modules += [_ACTIVATIONS[config.activation](), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules[1:])
        self.grid = source.grid if config.positions == "waves" else None

    def forward(self, features: Tensor) -> Tensor:
        vectors = self.layers(features)
        if self.grid is None:
            return vectors
        return vectors + grid_waves(self.grid, vectors.shape[-1], vectors.device).to(vectors.dtype)
