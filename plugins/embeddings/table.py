"""One learned vector per code, and optionally one per position in the picture."""

from __future__ import annotations

import torch
from janiform import Codes, Corrupted, Hidden
from janiform_plugins.sinusoidal import sinusoidal_positions
from torch import Tensor, nn

from .config import TableConfig


class TableEmbedding(nn.Module):
    """Codes int64 [B, n, d] of n positions from ``first`` on -> vectors [B, n, width], summed over the d levels.

    ``table`` stacks the tables of all levels, [d·V, width]; ``positions`` holds all N position vectors, [N, width];
    ``mask`` [width] stands for the codes of hidden places, which may be anything.
    """

    def __init__(self, config: TableConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        self.codes = codes
        width = config.embed(codes, hidden).width
        self.table = nn.Embedding(codes.depth * codes.every, width)
        self.positions = (
            nn.Parameter(sinusoidal_positions(codes.grid, width)[0]) if config.positions == "waves" else None
        )
        self.mask = nn.Parameter(torch.randn(width)) if config.mask else None

    def forward(self, codes: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        hidden = None if corrupted is None or self.mask is None else corrupted.hidden
        if hidden is not None:
            codes = codes.masked_fill(hidden[..., None], 0)
        if self.codes.depth == 1:
            vectors = self.table(codes[..., 0])
        else:
            level = torch.arange(self.codes.depth, device=codes.device) * self.codes.every
            vectors = self.table(codes + level).sum(dim=-2)
        if hidden is not None:
            vectors = torch.where(hidden[..., None], self.mask.to(vectors.dtype), vectors)
        return vectors if self.positions is None else vectors + self.positions[first : first + vectors.shape[1]]
