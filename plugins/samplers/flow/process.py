"""How pictures are corrupted for training. Torch-free but for the methods that take tensors.

n pictures    N places of a picture    C width of latents
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Literal

from attrs import frozen
from janiform import PortMismatch

if TYPE_CHECKING:
    from janiform import Corrupted, Corruption
    from numpy.random import Generator
    from torch import Tensor

Predicted = Literal["velocity", "noise", "data"]


def shifted(level: float, shift: float) -> float:
    """A noise level s as shift·s / (1 + (shift - 1)·s), arXiv:2403.03206; 0 and 1 stay."""
    return shift * level / (1 + (shift - 1) * level)


@frozen
class FlowProcess:
    """See ``janiform.contracts.Process``. The time of a picture is its noise level, or 1 minus it (``data_at`` 1)."""

    of: Predicted
    times: Literal["uniform", "logit-normal"] = "uniform"
    shift: float = 1.0
    data_at: float = 1.0
    before_text: float = 0.0

    def time(self, level: float) -> float:
        """The time of a noise level."""
        return 1 - level if self.data_at else level

    def corrupt(self, places: int, chance: Generator, most: float = 1.0) -> Corruption:
        """Noise of a random level, scaled to at most ``most``, which the picture's seed determines."""
        level = 1 / (1 + exp(-chance.standard_normal())) if self.times == "logit-normal" else chance.random()
        return _corruption(self.time(most * shifted(level, self.shift)), int(chance.integers(2**62)))

    def complete(self, places: int) -> Corruption:
        """A picture without noise."""
        return _corruption(self.data_at)

    def read(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """Latents [n, N, C] with their noise, (1 - s)·x + s·noise, in their data type."""
        levels = self._levels(corrupted)
        return ((1 - levels) * drawn.float() + levels * corrupted.noise(drawn)).to(drawn.dtype)

    def target(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The velocity, the noise or the data of latents [n, N, C], float32."""
        if self.of == "data":
            return drawn.float()
        noise = corrupted.noise(drawn)
        if self.of == "noise":
            return noise
        return drawn.float() - noise if self.data_at else noise - drawn.float()

    def _levels(self, corrupted: Corrupted) -> Tensor:
        if corrupted.times is None:
            raise PortMismatch("the pictures of sampler 'flow' need times")
        times = corrupted.times.float()[:, None, None]
        return 1 - times if self.data_at else times


def _corruption(time: float, seed: int = 0) -> Corruption:
    from janiform import Corruption  # brings numpy along, which listing components does without

    return Corruption(time, None, seed)
