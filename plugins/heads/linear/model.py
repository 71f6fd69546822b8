"""One matrix from a hidden state to the logits of the next code."""

from __future__ import annotations

from janiform import Codes, Hidden
from torch import Tensor, nn

from ..single import SingleHead
from .config import LinearHeadConfig


class LinearHead(SingleHead):
    """Hidden states [R, H] -> logits [R, V] of one code."""

    def __init__(self, config: LinearHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__(codes.vocabulary)
        self.out = nn.Linear(hidden.width, codes.vocabulary, bias=config.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.out(hidden)
