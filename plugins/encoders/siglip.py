"""A vision transformer as in SigLIP: learned positions, pre-norm blocks, a final norm, no class token.

B pictures    N patches    W width
"""

from __future__ import annotations

import torch
from janiform import sdpa
from janiform_plugins.sinusoidal import sinusoidal_positions
from torch import Tensor, nn

from .config import SiglipConfig
from .vit import MLP, Block, initialise_linears


class SiglipEncoder(nn.Module):
    """Pixels [B, 3, h, w] -> features [B, N, W], in raster order."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        width = config.width
        self.patch_embed = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.grid, self.table = config.grid, config.table
        self.pos_embed = nn.Parameter(torch.empty(1, self.table.size, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.inner_width, config.eps, config.activation) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.attn_pool = AttentionPool(config) if config.attention_pool else None
        initialise_linears(self)
        if config.positions == "waves":
            self.pos_embed.data.copy_(sinusoidal_positions(self.table, width))
        else:
            nn.init.normal_(self.pos_embed, std=width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        x_BNW = self.patch_embed(pixels).flatten(2).transpose(1, 2) + self._positions()
        for block in self.blocks:
            x_BNW = block(x_BNW)
        return self.norm(x_BNW)

    def _positions(self) -> Tensor:
        """The positions [1, N, W] of a picture's patches: those of its rows and columns in the table."""
        if self.grid == self.table:
            return self.pos_embed
        planes = self.pos_embed.unflatten(1, (self.table.height, self.table.width))
        return planes[:, : self.grid.height, : self.grid.width].flatten(1, 2)

    def pool(self, features: Tensor) -> Tensor:
        """Features [B, N, W] -> one vector per picture [B, W]: the attention-pooling head, or the mean without one."""
        return features.mean(dim=1) if self.attn_pool is None else self.attn_pool(features)


class AttentionPool(nn.Module):
    """One learned query that attends to all patches, then an MLP: SigLIP's "MAP" head."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.latent = nn.Parameter(torch.empty(1, 1, width).normal_(std=width**-0.5))
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.mlp = MLP(width, config.inner_width, config.activation)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(self.latent.expand(len(x), -1, -1)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        pooled = self.proj(sdpa(q, k, v).transpose(1, 2).flatten(2))
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]
