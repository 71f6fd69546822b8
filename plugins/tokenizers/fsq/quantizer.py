"""Every channel is bounded and rounded: the codebook is a grid that is written down nowhere.

R vectors    D channels    V vocabulary, the product of the levels
"""

from __future__ import annotations

from itertools import accumulate
from operator import mul

import torch
from torch import Tensor, nn

MARGIN = 1e-3
"""By how much the outermost levels can be exceeded, relatively, so that rounding reaches them (the paper's eps)."""


class FsqQuantizer(nn.Module):
    """Level k of L levels is the value (k - L // 2) / (L // 2): from -1 to 1, or to below 1 where L is even.

    A code is a number with a digit for each channel, the first one counting least.
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
        """Vectors [R, D] of any size -> between the outermost levels, a level being a whole number and 0 staying 0."""
        levels = torch.tensor(self.levels, device=vectors.device)
        half = (levels - 1) * (1 + MARGIN) / 2
        # With an even number of levels, 0 is one of them and the middle lies half a level below it.
        below = (levels % 2 == 0) * 0.5
        return torch.tanh(vectors + torch.atanh(below / half)) * half - below

    def _middle(self, like: Tensor) -> Tensor:
        return torch.tensor(self.levels, device=like.device) // 2
