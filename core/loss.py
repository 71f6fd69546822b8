"""A loss as a sum and a count, so that batches of any split add up exactly."""

from __future__ import annotations

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
        """The loss per prediction; zero where nothing was predicted."""
        return self.total / self.count.clamp(min=1)
