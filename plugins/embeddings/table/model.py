"""One learned vector for each code."""

from __future__ import annotations

import torch
from janiform import Codes, Hidden
from torch import Tensor, nn

from .config import TableConfig


class TableEmbedding(nn.Module):
    """Codes int64 [B, N, d] -> vectors [B, N, width], summed over the d levels.

    ``table`` holds the levels one below the other: [d·V, width].
    """

    def __init__(self, config: TableConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        self.codes = codes
        self.table = nn.Embedding(codes.depth * codes.vocabulary, config.embed(codes, hidden).width)

    def forward(self, codes: Tensor) -> Tensor:
        if self.codes.depth == 1:
            return self.table(codes[..., 0])
        level = torch.arange(self.codes.depth, device=codes.device) * self.codes.vocabulary
        return self.table(codes + level).sum(dim=-2)
