"""A vision transformer as in CLIP: a class token, a norm before the blocks, and no norm after those that are built.

B pictures    N patches    W width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ClipConfig
from .vit import Block, initialise_linears, positions_for


class ClipEncoder(nn.Module):
    """Pixels [B, 3, h, w] -> features [B, N, W] of the patches after block ``config.depth``, in raster order.

    Patches attend to the class token, which is not a feature. CLIP's last norm is for that token and is not built.
    """

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.width
        self.grid = config.grid
        self.patch_embed = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size, bias=False)
        self.cls_token = nn.Parameter(torch.empty(1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, config.table_rows, width))
        self.pre_norm = nn.LayerNorm(width, eps=config.eps)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.inner_width, config.eps, config.activation) for _ in range(config.depth)
        )
        initialise_linears(self)
        nn.init.normal_(self.cls_token, std=width**-0.5)
        nn.init.normal_(self.pos_embed, std=width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embed(pixels).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(patches), 1, -1), patches), dim=1)
        x = self.pre_norm(x + positions_for(self.pos_embed, self.grid))
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]
