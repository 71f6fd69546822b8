"""Positions on a grid as sines and cosines, which tables of positions begin with."""

from __future__ import annotations

import torch
from janiform import Grid
from torch import Tensor
from torch.nn.functional import pad


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
