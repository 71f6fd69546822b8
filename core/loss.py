"""A loss as a sum and a count, so that losses of any split of a batch add up exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor


@frozen(eq=False)
class Loss:
    """The sum of a loss over ``count`` predictions. Add losses first and divide once.

    ``total``: scalar tensor, attached to the graph. ``count``: scalar tensor, detached.
    """

    total: Tensor
    count: Tensor

    def __add__(self, other: Loss) -> Loss:
        return Loss(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> Tensor:
        """The loss per prediction; zero where there are none."""
        return self.total / self.count.clamp(min=1)


CHUNK = 1 << 26
"""Logits in memory at once: 256 MiB in float32, where those of a packed batch can be gigabytes."""


def summed_cross_entropy(
    logits: Callable[[Tensor], Tensor], states: Tensor, targets: Tensor, vocabulary: int
) -> Tensor:
    """The sum of cross-entropies, in nats and at least float32, of targets int64 [R] given states [R, H]; a scalar.

    Many R × V logits are computed some rows at a time, and again in the backward pass: a third more work for this
    matrix, and never all of them in memory.

    Args:
        logits: states [r, H] to logits [r, V].
        vocabulary: V.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    rows = max(1, CHUNK // vocabulary)
    if len(states) <= rows:
        return _summed(logits, states, targets)
    pieces = [slice(start, start + rows) for start in range(0, len(states), rows)]
    sums: list[Tensor] = [
        checkpoint(_summed, logits, states[piece], targets[piece], use_reentrant=False) for piece in pieces
    ]
    return torch.stack(sums).sum()


def _summed(logits: Callable[[Tensor], Tensor], states: Tensor, targets: Tensor) -> Tensor:
    import torch
    from torch.nn.functional import cross_entropy

    values = logits(states)
    return cross_entropy(values.to(torch.promote_types(values.dtype, torch.float32)), targets, reduction="sum")
