"""One learned vector for each code, and, if wanted, for each place in the picture."""

from __future__ import annotations

import torch
from janiform import Codes, Hidden
from janiform_plugins.waves import waves
from torch import Tensor, nn

from .config import TableConfig


class TableEmbedding(nn.Module):
    """Codes int64 [B, n, d] from place ``first`` of the picture on -> vectors [B, n, width], summed over the d levels.

    ``table`` holds the levels one below the other, [d·V, width]; ``positions`` are those of all N places, [N, width].
    """

    def __init__(self, config: TableConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        self.codes = codes
        width = config.embed(codes, hidden).width
        self.table = nn.Embedding(codes.depth * codes.vocabulary, width)
        self.positions = nn.Parameter(waves(codes.grid, width)[0]) if config.positions == "waves" else None

    def forward(self, codes: Tensor, first: int = 0) -> Tensor:
        if self.codes.depth == 1:
            vectors = self.table(codes[..., 0])
        else:
            level = torch.arange(self.codes.depth, device=codes.device) * self.codes.vocabulary
            vectors = self.table(codes + level).sum(dim=-2)
        return vectors if self.positions is None else vectors + self.positions[first : first + vectors.shape[1]]
