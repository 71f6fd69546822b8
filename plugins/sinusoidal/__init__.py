"""Sinusoidal positions on a grid, with which tables of learned positions may be initialised."""

from __future__ import annotations

import torch
from janiform import Grid
from torch import Tensor
from torch.nn.functional import pad


def sinusoidal_positions(grid: Grid, width: int, within: Grid | None = None) -> Tensor:
    """Sines and cosines of the column and of the row of every patch, [1, N, W], as in arXiv:2205.01580.

    ``within``: a finer grid of the same picture, among whose patches the centres of those of ``grid`` are counted.

    Wavelengths increase geometrically from 2π patches to 2π sides of the grid instead of to 2π · 10 000 patches, since
    most channels would be constant on a small grid. Channels beyond a multiple of four are zero.
    """
    number = width // 4
    fine = within or grid
    rates = max(fine.height, fine.width) ** -torch.linspace(0, 1, number)
    rows, columns = torch.meshgrid(
        (torch.arange(grid.height, dtype=torch.float32) + 0.5) * (fine.height / grid.height) - 0.5,
        (torch.arange(grid.width, dtype=torch.float32) + 0.5) * (fine.width / grid.width) - 0.5,
        indexing="ij",
    )
    angles = [axis.flatten()[:, None] * rates for axis in (columns, rows)]
    table = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)
    return pad(table, (0, width - table.shape[1]))[None]
