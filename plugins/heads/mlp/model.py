"""Linear layers with GELU between them, from a hidden state to the logits of the next code."""

from __future__ import annotations

from itertools import pairwise

from janiform import Codes, Hidden
from torch import Tensor, nn

from ..single import SingleHead
from .config import MlpHeadConfig


class MlpHead(SingleHead):
    """Hidden states [R, H] -> logits [R, V] of one code."""

    def __init__(self, config: MlpHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__(codes.vocabulary)
        inner = config.inner or hidden.width
        widths = (hidden.width, *[inner] * (config.depth - 1), codes.vocabulary)
        modules: list[nn.Module] = []
        for before, after in pairwise(widths):
            modules += [nn.GELU(), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules[1:])

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layers(hidden)
