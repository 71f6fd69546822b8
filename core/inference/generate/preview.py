"""A picture on its way: what its codes so far would look like."""

from __future__ import annotations

import torch
from torch import Tensor

from ...ports import Grid


def filled(codes: Tensor, grid: Grid) -> Tensor:
    """Codes [B, N, d] in which those that are not drawn yet, −1, are taken from the nearest that is.

    Nearest on the grid, by rows and columns added up; of two the earlier. So what is drawn from top to bottom goes on
    downwards in its own colours, which keeps a decoder that looks at the whole picture (group norms, attention) close
    to what it will see. A picture of which nothing is drawn gets code 0.
    """
    count = grid.size
    place = torch.arange(count, device=codes.device)
    row, column = place // grid.width, place % grid.width
    steps = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    order = steps * count + place  # nearest first, then the earlier
    drawn_BN = (codes >= 0).all(-1)
    # Picture by picture: pictures times places times places would be a lot of memory.
    nearest = [torch.where(drawn, order, order.max() + 1).argmin(-1) for drawn in drawn_BN]
    if not nearest:
        return codes
    return codes.gather(1, torch.stack(nearest)[..., None].expand_as(codes)).clamp(min=0)
