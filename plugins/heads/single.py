"""What heads of one code a position have in common. R states    H hidden width    V vocabulary"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from janiform import Loss, summed_cross_entropy
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def nats(logits: Tensor, targets: Tensor) -> Loss:
    """Cross-entropy of targets int64 [R] given logits [R, V], in float32 at least."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    total = cross_entropy(wide, targets, reduction="sum")
    return Loss(total, torch.full_like(total, len(targets), requires_grad=False))


def summed(logits: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, vocabulary: int) -> Loss:
    """The same of targets int64 [R] given states [R, H], never with all logits at once."""
    total = summed_cross_entropy(logits, hidden, targets, vocabulary)
    return Loss(total, torch.full_like(total, len(targets), requires_grad=False))


class SingleHead(nn.Module, ABC):
    """Hidden states [R, H] -> logits [R, V] of one code. A child says how."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    @abstractmethod
    def forward(self, hidden: Tensor) -> Tensor: ...

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats and float32 at least, of codes int64 [R, 1] given hidden states [R, H]."""
        return summed(self, hidden, codes[:, 0], self.vocabulary)

    def sample(self, hidden: Tensor, choose: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Hidden states [R, H] -> codes [R, 1], chosen from the logits [R, V]."""
        return choose(self(hidden), 0)[:, None]
