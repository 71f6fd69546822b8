"""A vision transformer as in DINOv2: a class token, registers, and scaled residual updates.

B pictures    N patches    R registers    W width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import Dinov2Config
from .vit import MLP, Attention, SwiGLU, positions_for


class Dinov2Encoder(nn.Module):
    """Pixels [B, 3, h, w] -> features [B, N, W] of the patches after the final norm, in raster order.

    Patches attend to the class token and to the registers, which are not features.
    """

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        width = config.width
        self.grid = config.grid
        # Weights with registers were trained with antialiased positions, weights without registers were not.
        self.antialias = config.registers > 0
        self.patch_embed = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.registers = nn.Parameter(torch.empty(1, config.registers, width)) if config.registers else None
        self.pos_embed = nn.Parameter(torch.empty(1, config.table_rows, width))
        self.blocks = nn.ModuleList(ScaledBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self._initialise()

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embed(pixels).flatten(2).transpose(1, 2)
        positions = positions_for(self.pos_embed, self.grid, antialias=self.antialias)
        first = self.cls_token + positions[:, :1]
        if self.registers is not None:  # registers have no positions
            first = torch.cat((first, self.registers), dim=1)
        x = torch.cat((first.expand(len(patches), -1, -1), patches + positions[:, 1:]), dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, first.shape[1] :])

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for tokens in (self.cls_token, self.registers, self.pos_embed):
            if tokens is not None:
                nn.init.trunc_normal_(tokens, std=0.02)


class ScaledBlock(nn.Module):
    """Pre-norm attention and MLP, each scaled by a learned vector before the residual sum (arXiv:2103.17239)."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=config.eps)
        self.attn = Attention(width, config.heads)
        self.scale1 = nn.Parameter(torch.full((width,), config.layer_scale))
        self.norm2 = nn.LayerNorm(width, eps=config.eps)
        self.mlp = (SwiGLU if config.ffn == "swiglu" else MLP)(width, config.inner_width)
        self.scale2 = nn.Parameter(torch.full((width,), config.layer_scale))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scale1 * self.attn(self.norm1(x))
        return x + self.scale2 * self.mlp(self.norm2(x))
