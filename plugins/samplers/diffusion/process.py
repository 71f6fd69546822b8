"""How pictures are corrupted for training. Torch-free but for the methods that take tensors.

n pictures    N places of a picture    C width of latents    T the 1000 steps of training
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from math import cos, pi
from operator import mul
from typing import TYPE_CHECKING, Literal

from attrs import frozen
from janiform import PortMismatch

if TYPE_CHECKING:
    from janiform import Corrupted, Corruption
    from numpy.random import Generator
    from torch import Tensor

STEPS = 1000


@cache
def kept() -> tuple[float, ...]:
    """How much of a picture's variance is left after 0 … T steps, by the cosine schedule (arXiv:2102.09672).

    Those after 1 … T steps are diffusers' ``alphas_cumprod`` for ``squaredcos_cap_v2``.
    """

    def share(time: float) -> float:
        return cos((time + 0.008) / 1.008 * pi / 2) ** 2

    left = [max(share((step + 1) / STEPS) / share(step / STEPS), 1 - 0.999) for step in range(STEPS)]
    return (1.0, *accumulate(left, mul))


@frozen
class DiffusionProcess:
    """See ``janiform.contracts.Process``. The time of a picture is the share of the T steps that it has taken."""

    of: Literal["noise", "data"]
    before_text: float = 0.0

    def corrupt(self, places: int, chance: Generator, most: float = 1.0) -> Corruption:
        """Noise of a random step, 1 … T, or of the first ``most`` of them, which the picture's seed determines."""
        from janiform import Corruption  # brings numpy along, which listing components does without

        last = max(1, round(most * STEPS))
        return Corruption(int(chance.integers(1, last + 1)) / STEPS, None, int(chance.integers(2**62)))

    def complete(self, places: int) -> Corruption:
        """A picture that has taken no step."""
        from janiform import Corruption

        return Corruption(0.0)

    def read(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """Latents [n, N, C] with their noise, √ᾱ·x + √(1 - ᾱ)·noise, in their data type."""
        import torch

        if corrupted.times is None:
            raise PortMismatch("the pictures of sampler 'diffusion' need times")
        table = torch.tensor(kept(), device=drawn.device)
        left = table[(corrupted.times * STEPS).round().long()][:, None, None]
        return (left.sqrt() * drawn.float() + (1 - left).sqrt() * corrupted.noise(drawn)).to(drawn.dtype)

    def target(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The noise or the data of latents [n, N, C], float32."""
        return drawn.float() if self.of == "data" else corrupted.noise(drawn)
