"""Parts that lend their weights, in place of those of a whole model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ports import Codes, Hidden


class Matrices(nn.Module):
    """The matrices of a backbone, for a part that borrows them."""

    def __init__(self, hidden: Hidden) -> None:
        super().__init__()
        self.table = nn.Embedding(hidden.vocabulary, hidden.width)
        self.out = nn.Linear(hidden.width, hidden.vocabulary, bias=False)

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        return self.out(hidden)  # type: ignore[no-any-return]


class CodeVectors(nn.Module):
    """The vectors of a tokenizer's codes, for a part that borrows them."""

    def __init__(self, codes: Codes) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(codes.every, codes.width) for _ in range(codes.depth))

    def vectors(self, codes: Tensor) -> Tensor:
        levels = [table(codes[..., level]) for level, table in enumerate(self.tables)]
        return torch.stack(levels).sum(dim=0)
