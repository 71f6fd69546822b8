"""Linear layers with GELU between them, from a hidden state to the logits of the next code."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from janiform import Codes, Hidden, Loss
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .config import MlpHeadConfig


class MlpHead(nn.Module):
    """Hidden states [R, H] -> logits [R, V] of one code."""

    def __init__(self, config: MlpHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__()
        inner = config.inner or hidden.width
        widths = (hidden.width, *[inner] * (config.depth - 1), codes.vocabulary)
        modules: list[nn.Module] = []
        for before, after in pairwise(widths):
            modules += [nn.GELU(), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules[1:])

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layers(hidden)

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats and float32, of codes int64 [R, 1] given hidden states [R, H]."""
        total = cross_entropy(self(hidden).float(), codes[:, 0], reduction="sum")
        return Loss(total, torch.full_like(total, len(codes), requires_grad=False))

    def sample(self, hidden: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Hidden states [R, H] -> codes [R, 1], chosen from the logits [R, V]."""
        return choose(self(hidden))[:, None]
