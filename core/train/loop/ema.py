"""An exponential moving average of the trained weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..distributed.process_group import local


class Average:
    """Averages of parameters by name, which replace them when a stage ends.

    The decay of step t is at most (1 + t) / (10 + t), so that the initial weights soon have no influence.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._live = dict(named)
        self.weights = {name: parameter.detach().clone() for name, parameter in named.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after the given step, counted from 0."""
        keep = min(self.decay, (1 + step) / (10 + step))
        averages = [local(average) for average in self.weights.values()]
        torch._foreach_lerp_(averages, [local(live) for live in self._live.values()], 1 - keep)

    @torch.no_grad()
    def apply(self) -> None:
        """Replace the trained weights by their averages."""
        for name, average in self.weights.items():
            self._live[name].copy_(average)
