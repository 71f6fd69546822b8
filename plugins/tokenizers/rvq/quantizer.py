"""Vectors as sums of codes: each level quantises what the levels before it left.

R vectors    D code width    V vocabulary    d levels
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor, nn

from ..convolutional.codebook import Codebook, wide


@frozen(eq=False)
class Levels:
    """``codes`` int64 [R, d]; d ``residuals`` [R, D], what each level was given; and its codes' ``vectors``."""

    codes: Tensor
    residuals: list[Tensor]
    vectors: list[Tensor]


class ResidualQuantizer(nn.Module):
    """Greedy: of each level the code nearest to the residual is taken, and its vector is taken off."""

    def __init__(self, vocabulary: int, width: int, depth: int, shared: bool, reseed: int = 0) -> None:
        super().__init__()
        self.depth = depth
        self.books = nn.ModuleList(Codebook(vocabulary, width, reseed) for _ in range(1 if shared else depth))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> codes int64 [R, d], in float32 at least."""
        with torch.no_grad():
            return self.levels(vectors).codes

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [..., d] -> the sums of their vectors [..., D], in float32 at least."""
        total = wide(self.book(0).look_up(codes[..., 0]))
        for level in range(1, self.depth):
            total = total + wide(self.book(level).look_up(codes[..., level]))
        return total

    def levels(self, vectors: Tensor, *, reseed: bool = False) -> Levels:
        """Vectors [R, D] quantised. Residuals are detached, so that of a level's vectors only its own codes learn.

        ``reseed`` moves idle codes to residuals of their level first, and counts a training step.
        """
        if reseed and len(self.books) == 1:
            # The codes of one book serve all levels, so it is seeded with the residuals of all of them.
            self.book(0).revive(torch.cat(self.levels(vectors).residuals))
        residual = wide(vectors.detach())
        codes, residuals, chosen = [], [], []
        for level in range(self.depth):
            book = self.book(level)
            if reseed and len(self.books) > 1:
                book.revive(residual)
            codes.append(book(residual))
            residuals.append(residual)
            chosen.append(wide(book.look_up(codes[-1])))
            residual = residual - chosen[-1].detach()
        if reseed:
            for level, book in enumerate(self.books):
                book.count(codes[level] if len(self.books) > 1 else torch.cat(codes))
        return Levels(torch.stack(codes, dim=-1), residuals, chosen)

    def book(self, level: int) -> Codebook:
        """The codebook of a level."""
        return self.books[min(level, len(self.books) - 1)]  # type: ignore[return-value]
