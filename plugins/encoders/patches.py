"""One linear map of the pixels of each patch.

B pictures    N patches, H rows of G columns    p side of a patch    W width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import PatchesConfig


class PatchEncoder(nn.Module):
    """Pixels [B, 3, H·p, G·p] -> features [B, N, W], in raster order."""

    def __init__(self, config: PatchesConfig) -> None:
        super().__init__()
        self.side = config.patch_size
        self.patch_embed = nn.Linear(3 * self.side**2, config.width)
        grid, learned = config.grid, config.positions
        self.row_embed = nn.Parameter(torch.empty(grid.height, config.width)) if learned else None
        self.column_embed = nn.Parameter(torch.empty(grid.width, config.width)) if learned else None
        nn.init.xavier_uniform_(self.patch_embed.weight)
        nn.init.zeros_(self.patch_embed.bias)
        for table in (self.row_embed, self.column_embed):
            if table is not None:
                nn.init.normal_(table, std=0.02)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch_embed(patches_of(pixels, self.side))
        if self.row_embed is not None and self.column_embed is not None:
            x = x + (self.row_embed[:, None] + self.column_embed).flatten(0, 1)
        return x


def patches_of(pixels: Tensor, side: int) -> Tensor:
    """Pixels [B, 3, H·p, G·p] -> patches [B, H·G, p·p·3]: by row, column, then colour, the order of Fuyu's weights."""
    patches = pixels.unflatten(3, (-1, side)).unflatten(2, (-1, side))  # [B, 3, H, p, G, p]
    return patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
