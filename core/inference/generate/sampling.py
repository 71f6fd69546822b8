"""Sampling from logits. Randomness comes as uniforms that belong to a row, so that rows are independent.

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
        raise UsageError(f"temperature must be a finite number of at least 0 (0 is greedy), not {value}")


def _top_k(_: object, __: object, value: int) -> None:
    if value < 0:
        raise UsageError(f"top_k must be at least 0 (0 means no limit), not {value}")


def _top_p(_: object, __: object, value: float) -> None:
    if not 0 < value <= 1:
        raise UsageError(f"top_p must be a probability above 0 and up to 1, not {value}")


@frozen
class Sampling:
    """How one of V ids is sampled: greedily at temperature 0, else at random among the ``top_k`` and ``top_p``."""

    temperature: float = field(default=1.0, validator=_temperature)
    top_k: int = field(default=0, validator=_top_k)
    top_p: float = field(default=1.0, validator=_top_p)

    @property
    def random(self) -> bool:
        """Whether uniforms are needed."""
        return self.temperature > 0

    def __call__(self, logits: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Logits [R, V] and uniforms [R] in [0, 1) to ids int64 [R]; uniforms are not needed at temperature 0."""
        if self.temperature == 0:
            return logits.argmax(-1)
        if uniforms is None:
            raise ValueError("sampling at a temperature above 0 needs uniforms")
        logits, ids = logits.float() / self.temperature, None
        if 0 < self.top_k < logits.shape[-1]:
            logits, ids = logits.topk(self.top_k)
        if self.top_p < 1:
            logits = keep_top_p(logits, self.top_p)
        index = invert(logits, uniforms)
        return index if ids is None else ids.gather(-1, index[:, None])[:, 0]


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Logits [R, V] with −∞ for all but the smallest set of most likely ids whose probabilities add up to ``top_p``.

    Nucleus sampling, arXiv:1904.09751: the id that crosses the threshold is kept, so at least one always is.
    """
    ordered, ids = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    drop = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, ids, before >= top_p)
    drop.scatter_(-1, ids[:, :1], False)
    return logits.masked_fill(drop, float("-inf"))


def invert(logits: Tensor, uniforms: Tensor) -> Tensor:
    """The index at which the cumulative softmax of logits [R, V] passes uniforms [R]: a sample of the distribution.

    Inverting the distribution takes one number per row where Gumbel noise takes V, so that the noise of a whole
    picture can be generated before the first code.
    """
    cumulative = logits.float().softmax(-1).cumsum(-1)
    total = cumulative[:, -1:]
    # Rounding must not carry the point to the total, behind which there is no index.
    points = torch.minimum(
        uniforms.to(cumulative.dtype)[:, None] * total, torch.nextafter(total, torch.zeros_like(total))
    )
    return torch.searchsorted(cumulative, points, right=True)[:, 0]


def guided(logits: Tensor, guidance: float) -> Tensor:
    """Logits [2R, V], conditional rows first, to uncond + guidance · (cond − uncond), [R, V] (arXiv:2207.12598)."""
    conditional, unconditional = logits.chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def uniforms(rows: int, steps: int | Sequence[int], seeds: Sequence[int] | None) -> Tensor:
    """Random numbers in [0, 1) for the ``steps`` of every row, or for those of each: [most steps, rows], float64, CPU.

    Row i depends on ``seeds[i]`` and on its own number of steps only. Without seeds they come from torch's global
    generator, so that ``torch.manual_seed`` decides.
    """
    if seeds is None:
        seeds = torch.randint(2**62, (rows,)).tolist()
    if len(seeds) != rows:
        raise UsageError(f"expected one seed per row ({rows}); got {len(seeds)}")
    counts = [steps] * rows if isinstance(steps, int) else steps
    columns = [
        torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for count, seed in zip(counts, seeds, strict=True)
    ]
    return pad_sequence(columns)
