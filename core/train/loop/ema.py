"""An exponential moving average of the trained weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

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
    def update(self, step: int, skipped: Tensor) -> None:
        """Add the weights after the given step, counted from 0; where ``skipped`` is 1, nothing is added."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, average in self.weights.items():
            own, live = local(average), local(self._live[name])
            wide = torch.promote_types(own.dtype, torch.float32)
            own.copy_(own.to(wide).lerp(live.to(wide), (1 - keep) * (1 - skipped).to(wide)))

    @torch.no_grad()
    def apply(self) -> None:
        """Replace the trained weights by their averages."""
        for name, average in self.weights.items():
            self._live[name].copy_(average)
