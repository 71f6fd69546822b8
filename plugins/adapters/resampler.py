"""Learned queries over features: the Perceiver Resampler of Flamingo (arXiv:2204.14198).

Without ``mutual``, the queries attend to the features alone, as in the adapter of Qwen-VL (arXiv:2308.12966). Positions
are not added here: an encoder's features already carry them.

B pictures    N features    Q queries    W width of the queries
"""

from __future__ import annotations

import torch
from janiform import Features, Hidden, sdpa
from torch import Tensor, nn
from torch.nn.functional import gelu

from .config import ResamplerConfig

INITIAL_STD = 0.02


class ResamplerAdapter(nn.Module):
    """Features [B, N, width] -> [B, Q, H]."""

    def __init__(self, config: ResamplerConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        width = config.width or hidden.width
        self.queries = nn.Parameter(torch.empty(config.queries, width))
        self.input = nn.Linear(source.width, width)
        self.blocks = nn.ModuleList(Block(config, width) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, hidden.width)
        self._initialise()

    def forward(self, features: Tensor) -> Tensor:
        features = self.input(features)
        x_BQW = self.queries.expand(len(features), -1, -1)
        for block in self.blocks:
            x_BQW = block(x_BQW, features)
        return self.output(self.norm(x_BQW))

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.queries, std=INITIAL_STD)


class Block(nn.Module):
    """Cross-attention and an MLP, each after a norm and added to its input."""

    def __init__(self, config: ResamplerConfig, width: int) -> None:
        super().__init__()
        self.mutual = config.mutual
        self.query_norm = nn.LayerNorm(width)
        self.feature_norm = nn.LayerNorm(width)
        self.attention = CrossAttention(width, config.heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.inner or 4 * width)
        self.fc2 = nn.Linear(config.inner or 4 * width, width)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        queries, keys = self.query_norm(x), self.feature_norm(features)
        if self.mutual:
            keys = torch.cat((keys, queries), dim=1)
        x = x + self.attention(queries, keys)
        return x + self.fc2(gelu(self.fc1(self.mlp_norm(x))))


class CrossAttention(nn.Module):
    """Queries [B, Q, W] that attend to keys [B, S, W] -> [B, Q, W]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        q = self.q(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(keys).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(sdpa(q, k, v).transpose(1, 2).flatten(2))
