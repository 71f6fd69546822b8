"""A vision transformer as in SigLIP: learned positions, pre-norm blocks, exact GELU, a final norm, no class token.

B pictures    N patches    W width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from .config import SiglipConfig


class SiglipEncoder(nn.Module):
    """Pixels [B, 3, h, w] -> features [B, N, W], in raster order."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        width = config.width
        self.patch_embed = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.pos_embed = nn.Parameter(torch.empty(1, config.grid.size, width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.attn_pool = AttentionPool(config) if config.attention_pool else None
        self._initialise()

    def forward(self, pixels: Tensor) -> Tensor:
        x_BNW = self.patch_embed(pixels).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x_BNW = block(x_BNW)
        return self.norm(x_BNW)

    def pool(self, features: Tensor) -> Tensor:
        """Features [B, N, W] -> one vector a picture [B, W]: the attention-pooling head, or the mean without one."""
        return features.mean(dim=1) if self.attn_pool is None else self.attn_pool(features)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.pos_embed, std=self.pos_embed.shape[-1] ** -0.5)


class Block(nn.Module):
    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=config.eps)
        self.attn = Attention(config.width, config.heads)
        self.norm2 = nn.LayerNorm(config.width, eps=config.eps)
        self.mlp = MLP(config.width, config.inner or 4 * config.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """Every patch sees every patch."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


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
        self.mlp = MLP(width, config.inner or 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(self.latent.expand(len(x), -1, -1)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        pooled = self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]
