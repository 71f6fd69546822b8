"""Finite scalar quantisation (arXiv:2309.15505): channels are bounded and rounded; the codebook is an implicit grid.

B pictures    N codes of one picture    R vectors    D channels    V vocabulary, the product of the levels
"""

from __future__ import annotations

from itertools import accumulate
from operator import mul

import torch
from torch import Tensor, nn

from .config import FsqConfig
from .convolutional import ConvolutionalTokenizer
from .quantized import Quantized

MARGIN = 1e-3
"""Relative excess over the outermost levels that bounding allows, so that rounding reaches them (the paper's eps)."""


class FsqQuantizer(nn.Module):
    """Level k of L levels is the value (k - L // 2) / (L // 2): from -1 to 1, or to below 1 where L is even.

    A code is a number with one digit per channel, the least significant first.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        self.weights = tuple(accumulate(levels[:-1], mul, initial=1))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> codes int64 [R]."""
        weights = torch.tensor(self.weights, device=vectors.device)
        digits = self.bound(vectors.detach().float()).round().long() + self._middle(vectors)
        return (digits * weights).sum(dim=-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their values float32 [..., D]."""
        weights, levels = (torch.tensor(numbers, device=codes.device) for numbers in (self.weights, self.levels))
        middle = self._middle(codes)
        return (codes[..., None] // weights % levels - middle).float() / middle

    def straight_through(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> their codes' values [R, D], with the gradients of the bounded vectors."""
        bounded = self.bound(vectors)
        return (bounded + (bounded.round() - bounded).detach()) / self._middle(vectors)

    def bound(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] of any size -> bounded between the outermost levels, which are whole numbers; 0 stays 0."""
        levels = torch.tensor(self.levels, device=vectors.device)
        half = (levels - 1) * (1 + MARGIN) / 2
        # With an even number of levels, 0 is one of them and the middle lies half a level below it.
        below = (levels % 2 == 0) * 0.5
        return torch.tanh(vectors + torch.atanh(below / half)) * half - below

    def _middle(self, like: Tensor) -> Tensor:
        return torch.tensor(self.levels, device=like.device) // 2


class FsqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order. Its only losses are those of the pixels."""

    config: FsqConfig
    quantize: FsqQuantizer

    def __init__(self, config: FsqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> FsqQuantizer:
        return FsqQuantizer(self.config.levels)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Vectors [B, N, D] -> the values of their codes."""
        codes_BN = self.quantize(vectors.flatten(0, 1)).view(vectors.shape[:2])
        return Quantized(codes_BN, self.quantize.straight_through(vectors), {})
