"""Sinusoidal positions on a grid: fixed ones, and those with which tables of learned positions may be initialised."""

from __future__ import annotations

import torch
from janiform import Grid
from torch import Tensor
from torch.nn.functional import pad

MAX_PERIOD = 10_000


def grid_waves(grid: Grid, width: int, device: torch.device) -> Tensor:
    """Sines and cosines of column and row of every place, [N, width], float32.

    The first half of the channels is of the column, the second of the row; each has its sines first. The rates fall
    from 1 towards 1/10 000, as in MAE and BAGEL.
    """
    number = width // 4
    rates = MAX_PERIOD ** -(torch.arange(number, device=device, dtype=torch.float64) / number)
    place = torch.arange(grid.size, device=device)
    angles = [axis[:, None] * rates for axis in (place % grid.width, place // grid.width)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1).float()


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
