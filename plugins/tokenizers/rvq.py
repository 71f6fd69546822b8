"""Residual codes, as in RQ-VAE (arXiv:2203.01941): each level quantises the residual of the levels before it.

B pictures    N positions of one picture    R vectors    D code width    V vocabulary    d levels
"""

from __future__ import annotations

from itertools import accumulate

import torch
from attrs import frozen
from torch import Tensor, nn

from .codebook import Codebook, wide
from .config import RvqConfig
from .convolutional import ConvolutionalTokenizer
from .quantized import Quantized


@frozen(eq=False)
class Levels:
    """Codes int64 [R, d] of all levels, and per level the residuals [R, D] and the vectors [R, D] of its codes."""

    codes: Tensor
    residuals: list[Tensor]
    vectors: list[Tensor]


class ResidualQuantizer(nn.Module):
    """Greedy: each level takes the code nearest to the residual and subtracts its vector."""

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
        """Vectors [R, D], quantised. Residuals are detached, so that each level trains its own codes alone.

        ``reseed`` first moves idle codes to residuals of their level, and counts a training step.
        """
        if reseed and len(self.books) == 1:
            # All levels share the codebook, so it is seeded with the residuals of all of them.
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


class RvqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, d] in raster order, whose vectors [B, N, D] are sums over the levels."""

    config: RvqConfig
    quantize: ResidualQuantizer

    def __init__(self, config: RvqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> ResidualQuantizer:
        config = self.config
        return ResidualQuantizer(config.vocabulary, config.code_width, config.depth, config.shared, config.reseed)

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes [B, N, d] -> the sums of their vectors [B, N, D]."""
        return self.quantize.look_up(codes)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training; with ``reseed`` set, unused codes are re-seeded in training mode.

        ``codebook`` moves each level's codes towards their residuals. ``commitment`` moves the vectors towards every
        partial sum of codes: of the first level, of the first two, and so on, as in the paper.
        """
        config = self.config
        levels = self.quantize.levels(vectors.flatten(0, 1), reseed=bool(config.reseed) and self.training)
        flat_RD = vectors.flatten(0, 1)
        sums = list(accumulate(vector.detach() for vector in levels.vectors))
        learned = [
            (vector - residual).square().mean()
            for vector, residual in zip(levels.vectors, levels.residuals, strict=True)
        ]
        kept = [(flat_RD - built).square().mean() for built in sums]
        losses = {
            "codebook": (config.codebook, torch.stack(learned).mean()),
            "commitment": (config.commitment, torch.stack(kept).mean()),
        }
        through_RD = flat_RD + (sums[-1] - flat_RD).detach()
        return Quantized(levels.codes.unflatten(0, vectors.shape[:2]), through_RD.view_as(vectors), losses)
