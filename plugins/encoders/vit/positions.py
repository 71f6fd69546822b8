"""Tables of positions: for grids of other sizes than they were learned on, and to start learning from."""

from __future__ import annotations

import math

import torch
from janiform import Grid
from torch import Tensor
from torch.nn.functional import interpolate, pad


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


def waves(grid: Grid, width: int) -> Tensor:
    """Sines and cosines of the column and of the row of every patch, [1, N, W], as in arXiv:2205.01580.

    The wavelengths go in geometric progression from 2π patches to 2π sides of the grid, not to 2π · 10 000 patches as
    there, which of a small grid would leave most of them constant. What four does not divide of the width is zero.
    """
    number = width // 4
    rates = max(grid.height, grid.width) ** -torch.linspace(0, 1, number)
    rows, columns = torch.meshgrid(
        torch.arange(grid.height, dtype=torch.float32), torch.arange(grid.width, dtype=torch.float32), indexing="ij"
    )
    angles = [axis.flatten()[:, None] * rates for axis in (columns, rows)]
    table = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)
    return pad(table, (0, width - table.shape[1]))[None]
