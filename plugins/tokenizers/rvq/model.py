"""Pixels to residual codes and back, as in RQ-VAE (arXiv:2203.01941).

B pictures    N places of one picture    d levels    D code width
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from ..convolutional.model import ConvolutionalTokenizer, Quantized
from .config import RvqConfig
from .quantizer import ResidualQuantizer


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
        """In training mode unused codes are re-seeded, if the config says so.

        ``codebook`` moves each level's codes to the residuals that they stand for, ``commitment`` the vectors to the
        sum of the first level's codes, of the first two levels', and so on: the paper's, where codes are running means.
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
