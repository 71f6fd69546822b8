"""Heads that predict one code per position. R states    H hidden width    V vocabulary"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise

import torch
from janiform import Codes, Hidden, Loss, summed_cross_entropy
from torch import Tensor, nn

from .config import LinearHeadConfig, MlpHeadConfig


def chunked_cross_entropy(logits: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, vocabulary: int) -> Loss:
    """Summed cross-entropy of targets int64 [R] given states [R, H], without holding all logits at once."""
    total = summed_cross_entropy(logits, hidden, targets, vocabulary)
    return Loss(total, torch.full_like(total, len(targets), requires_grad=False))


class SingleHead(nn.Module, ABC):
    """Hidden states [R, H] -> logits [R, V] of one code, which a subclass computes in ``forward``."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    @abstractmethod
    def forward(self, hidden: Tensor) -> Tensor: ...

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats and float32 at least, of codes int64 [R, 1] given hidden states [R, H]."""
        return chunked_cross_entropy(self, hidden, codes[:, 0], self.vocabulary)

    def sample(self, hidden: Tensor, choose: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Hidden states [R, H] -> codes [R, 1], chosen from the logits [R, V]."""
        return choose(self(hidden), 0)[:, None]


class LinearHead(SingleHead):
    """Hidden states [R, H] -> logits [R, V] of one code, by one matrix."""

    def __init__(self, config: LinearHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__(codes.vocabulary)
        self.out = nn.Linear(hidden.width, codes.vocabulary, bias=config.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.out(hidden)


class MlpHead(SingleHead):
    """Hidden states [R, H] -> logits [R, V] of one code, by linear layers with GELU between them."""

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
