"""Tables of positions for grids of other sizes than they were learned on."""

from __future__ import annotations

import math

import torch
from janiform import Grid
from torch import Tensor
from torch.nn.functional import interpolate


def positions_for(table: Tensor, grid: Grid, *, antialias: bool = False) -> Tensor:
    """The positions of a class token and of the patches of a grid, [1, 1 + grid.size, W].

    The patches' positions are interpolated bicubically in at least float32 where the table is for another grid, as
    ``interpolate_pos_encoding`` does it in transformers (``modeling_clip.py``, ``modeling_dinov2.py``).

    Args:
        table: [1, 1 + S², W], the class token's position and those of S × S patches in raster order.
        antialias: of the interpolation, which matters for smaller grids only.
    """
    side = math.isqrt(table.shape[1] - 1)
    if (side, side) == (grid.height, grid.width):
        return table
    wide = torch.promote_types(table.dtype, torch.float32)
    planes = table[:, 1:].to(wide).unflatten(1, (side, side)).permute(0, 3, 1, 2)
    scaled = interpolate(planes, (grid.height, grid.width), mode="bicubic", antialias=antialias)
    return torch.cat((table[:, :1], scaled.flatten(2).transpose(1, 2).to(table.dtype)), dim=1)
