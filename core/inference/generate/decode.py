"""The decoding loop, which is the same for text and for pictures.

R rows    H hidden width    d depth of a code
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from .engine import DecodeState, Engine, check_finite
from .sampling import Sampling


class Output(Protocol):
    """What is generated, text or codes: how it follows from hidden states, and how the backbone reads it."""

    def sample(self, hidden: Tensor, sampling: Sampling, uniforms: Tensor | None, step: int) -> Tensor:
        """Hidden states [R, H] and the uniforms of a step to ids."""

    def embed(self, ids: Tensor, step: int) -> Tensor:
        """The ids that ``sample`` gave at a step to embeddings [R, 1, H]."""


def decode(
    engine: Engine, state: DecodeState, output: Output, sampling: Sampling, uniforms: Tensor | None, steps: int
) -> Iterator[Tensor]:
    """Sample ``steps`` ids for every row of a prefilled state, and give those of each step as soon as they are sampled.

    ``uniforms`` has one entry per step; None at temperature 0. A caller that stops early saves the remaining steps.

    Raises ``JaniformError`` where the model's states of the prompts are not finite.
    """
    hidden = state.hidden
    check_finite(hidden)
    for step in range(steps):
        ids = output.sample(hidden, sampling, None if uniforms is None else uniforms[step], step)
        yield ids
        if step + 1 < steps:
            hidden = engine.decode(state, output.embed(ids, step))
