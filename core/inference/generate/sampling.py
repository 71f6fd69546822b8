"""Sampling from logits. Randomness comes as uniforms that belong to a row, so that rows are independent.

R rows    V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from attrs import field, frozen
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import pad_sequence

from ...arguments import MAX_SEED, members, number, whole_number
from ...errors import UsageError

SMALLEST = 1e-30
"""Smallest temperature above 0. At lower ones the most likely id has all probability, as at 0."""


def sampling_temperature(value: Any) -> float:
    """The value, or 0 below ``SMALLEST``. Raise ``UsageError`` unless it is a temperature."""
    checked = number("temperature", value, "a finite number of at least 0 (0 is greedy)", lambda value: value >= 0)
    return checked if checked >= SMALLEST else 0.0


def sampling_top_p(value: Any) -> float:
    """The value. Raise ``UsageError`` unless it is a probability above 0."""
    return number("top_p", value, "a probability above 0 and up to 1", lambda value: 0 < value <= 1)


def sampling_top_k(value: Any) -> int:
    """The value. Raise ``UsageError`` unless it is a whole number of at least 0 (0 means no limit)."""
    return whole_number("top_k", value)


@frozen
class Sampling:
    """How one of V ids is sampled: greedily at temperature 0, else at random among the ``top_k`` and ``top_p``."""

    temperature: float = field(default=1.0, converter=sampling_temperature)
    top_k: int = field(default=0, converter=sampling_top_k)
    top_p: float = field(default=1.0, converter=sampling_top_p)

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

    def probabilities(self, logits: Tensor) -> Tensor:
        """What it samples from: logits [R, V] to probabilities float64 [R, V]; one-hot at temperature 0."""
        if self.temperature == 0:
            return one_hot(logits.argmax(-1), logits.shape[-1]).double()
        logits = logits.float() / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            most, index = logits.topk(self.top_k)
            logits = torch.full_like(logits, float("-inf")).scatter(-1, index, most)
        if self.top_p < 1:
            logits = keep_top_p(logits, self.top_p)
        return logits.double().softmax(-1)


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
    # Logits that are not finite have no such point, and their index must be valid all the same.
    return torch.searchsorted(cumulative, points, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def uniforms(rows: int, steps: int | Sequence[int], seeds: Sequence[int] | None) -> Tensor:
    """Random numbers in [0, 1) for the ``steps`` of every row, or for those of each: [most steps, rows], float64, CPU.

    Row i depends on ``seeds[i]`` and on its own number of steps only. Without seeds they come from torch's global
    generator, so that ``torch.manual_seed`` decides.
    """
    seeds = drawing_seeds(rows, seeds)
    counts = [steps] * rows if isinstance(steps, int) else steps
    columns = [
        torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for count, seed in zip(counts, seeds, strict=True)
    ]
    return pad_sequence(columns)


def drawing_seeds(rows: int, seeds: Sequence[int] | None) -> list[int]:
    """The seeds of rows that are generated: those given, or some from torch's global generator.

    Raises ``UsageError`` unless they are one whole number, from 0 to 2**63 - 1, per row.
    """
    if seeds is None:
        return [int(seed) for seed in torch.randint(2**62, (rows,)).tolist()]
    checked = [whole_number("a seed", seed, high=MAX_SEED) for seed in members("seeds", seeds, "whole numbers")]
    if len(checked) != rows:
        raise UsageError(f"expected one seed per row ({rows}); got {len(checked)}")
    return checked
