"""An exponential moving average of the trained weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """Averages of parameters by name, which replace them when a stage ends.

    Early steps count for more: the decay of step t is at most (1 + t) / (10 + t), so that the start is soon forgotten.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._live = dict(named)
        self.weights = {name: parameter.detach().clone() for name, parameter in named.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after the given step, counted from 0."""
        keep = min(self.decay, (1 + step) / (10 + step))
        live: list[Tensor] = list(self._live.values())
        torch._foreach_lerp_(list(self.weights.values()), live, 1 - keep)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from averages that were stored."""
        for name, average in self.weights.items():
            average.copy_(weights[name])

    @torch.no_grad()
    def apply(self) -> None:
        """Put the averages in the place of the trained weights."""
        for name, average in self.weights.items():
            self._live[name].copy_(average)
