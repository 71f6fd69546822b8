"""Choosing from logits. Randomness comes as uniforms that belong to a row, so that no row depends on its neighbours.

R rows    V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import field, frozen
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ...errors import UsageError


def _temperature(_: object, __: object, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise UsageError(f"the temperature is a number from 0 (always the likeliest) up, not {value}")


def _top_k(_: object, __: object, value: int) -> None:
    if value < 0:
        raise UsageError(f"top_k is a count, or 0 for no limit, not {value}")


def _top_p(_: object, __: object, value: float) -> None:
    if not 0 < value <= 1:
        raise UsageError(f"top_p is a share of the probability above 0 and up to 1, not {value}")


@frozen
class Choice:
    """How one of V is chosen: the likeliest at temperature 0, else at random among the ``top_k`` and ``top_p``."""

    temperature: float = field(default=1.0, validator=_temperature)
    top_k: int = field(default=0, validator=_top_k)
    top_p: float = field(default=1.0, validator=_top_p)

    @property
    def random(self) -> bool:
        return self.temperature > 0

    def __call__(self, logits: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Logits [R, V] and uniforms [R] in [0, 1) to int64 [R]; no uniforms are needed at temperature 0."""
        if not self.random:
            return logits.argmax(-1)
        if uniforms is None:
            raise ValueError("a choice at random needs uniforms")
        logits = logits.float() / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            values, ids = logits.topk(self.top_k)
            return ids.gather(-1, invert(keep_top_p(values, self.top_p), uniforms)[:, None])[:, 0]
        return invert(keep_top_p(logits, self.top_p), uniforms)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Logits [R, V] with −∞ for all but the fewest likeliest that have ``top_p`` of the probability together.

    Nucleus sampling, arXiv:1904.09751: the one that crosses the threshold is kept, so at least one always is.
    """
    if top_p >= 1:
        return logits
    ordered, ids = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    drop = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, ids, before >= top_p)
    drop.scatter_(-1, ids[:, :1], False)
    return logits.masked_fill(drop, float("-inf"))


def invert(logits: Tensor, uniforms: Tensor) -> Tensor:
    """The index at which the cumulated softmax of logits [R, V] passes uniforms [R]: a sample of the distribution.

    Inverting the distribution takes one number a row where Gumbel noise takes V, which is what lets the noise of a
    whole picture be drawn before it is begun.
    """
    cumulated = logits.float().softmax(-1).cumsum(-1)
    total = cumulated[:, -1:]
    # Rounding must not carry the point to the total, behind which nothing stands.
    points = torch.minimum(
        uniforms.to(cumulated.dtype)[:, None] * total, torch.nextafter(total, torch.zeros_like(total))
    )
    return torch.searchsorted(cumulated, points, right=True)[:, 0]


def guided(logits: Tensor, guidance: float) -> Tensor:
    """Logits [2R, V], conditional rows first, to uncond + guidance · (cond − uncond), [R, V] (arXiv:2207.12598)."""
    conditional, unconditional = logits.chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def uniforms(rows: int, calls: int | Sequence[int], seeds: Sequence[int] | None) -> Tensor:
    """Numbers in [0, 1) for ``calls`` choices of every row, or for so many of each, [most calls, rows], float64 on the
    CPU.

    Row i depends on ``seeds[i]`` and on its own ``calls`` only. Without seeds, torch's own generator is asked for them,
    so that ``torch.manual_seed`` governs.
    """
    if seeds is None:
        seeds = torch.randint(2**62, (rows,)).tolist()
    if len(seeds) != rows:
        raise UsageError(f"{rows} rows need {rows} seeds, not {len(seeds)}")
    counts = [calls] * rows if isinstance(calls, int) else calls
    drawn = [
        torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for count, seed in zip(counts, seeds, strict=True)
    ]
    return pad_sequence(drawn)
