"""Previews: codes of an unfinished picture, completed so that they can be decoded."""

from __future__ import annotations

import torch
from torch import Tensor

from ...ports import Grid


def filled(codes: Tensor, grid: Grid) -> Tensor:
    """Codes [B, N, d] in which each missing code, −1, is replaced by the nearest one that is drawn.

    The distance is the sum of rows and columns on the grid; of equally near codes the earlier one is taken. A picture
    that is drawn from top to bottom continues downwards in its own colours, so that decoders whose layers see the whole
    picture (group norms, attention) get input like the finished picture's. A picture without any code gets code 0.
    """
    count = grid.size
    index = torch.arange(count, device=codes.device)
    row, column = index // grid.width, index % grid.width
    steps = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    order = steps * count + index  # nearest first, then the earlier
    drawn_BN = (codes >= 0).all(-1)
    # Picture by picture, since B·N·N values would take a lot of memory.
    nearest = [torch.where(drawn, order, order.max() + 1).argmin(-1) for drawn in drawn_BN]
    if not nearest:
        return codes
    return codes.gather(1, torch.stack(nearest)[..., None].expand_as(codes)).clamp(min=0)
