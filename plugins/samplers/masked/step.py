"""One step of masked drawing, as in Show-o's ``t2i_generate`` and diffusers' ``AmusedScheduler``.

B pictures    N places of a picture    V codes    T steps
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from janiform import Sampling
from torch import Tensor

_SMALLEST = 1e-20
"""What logarithms are taken of at least."""

_LARGEST = 1 - 2**-24
"""The largest float32 below 1, to which uniforms in float64 may round up."""


def step(
    logits: Tensor, codes: Tensor, hidden: Tensor, after: Tensor, temperature: float, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw the hidden places, and choose those whose codes are the least certain, to be hidden again.

    Args:
        logits: of all places, [B, N, V].
        codes: int64 [B, N]; those of hidden places are ignored.
        hidden: bool [B, N].
        after: float [], the fraction of all places that is to be hidden after the step; see ``fractions``.
        temperature: the weight of the Gumbel noise in a place's confidence.
        noise: uniforms [2, B, N] in [0, 1), of the codes and of the confidence.

    Returns:
        Codes [B, N] of all places, those that are hidden again included, and which are hidden, bool [B, N]: at least
        one place of each picture.
    """
    batch, places, vocabulary = logits.shape
    logits = logits.float()
    sampled = Sampling()(logits.reshape(-1, vocabulary), noise[0].flatten()).view(batch, places)
    codes = torch.where(hidden, sampled, codes)
    chances = logits.softmax(-1).gather(-1, codes[..., None])[..., 0]
    # A known place has the largest number as its probability, and not infinity: at a high temperature the noise may
    # still hide it.
    chances = torch.where(hidden, chances, torch.finfo(chances.dtype).max)
    gumbel = -(-noise[1].float().clamp(_SMALLEST, _LARGEST).log()).clamp(min=_SMALLEST).log()
    confidence = chances.clamp(min=_SMALLEST).log() + temperature * gumbel
    count = (places * after).floor().minimum(hidden.sum(-1, keepdim=True) - 1).clamp(min=1).long()
    cut_off = confidence.sort(-1).values.gather(-1, count)
    return codes, confidence < cut_off


def last_step(logits: Tensor, codes: Tensor, hidden: Tensor, noise: Tensor) -> Tensor:
    """Draw the hidden places: the codes [B, N] of complete pictures. The arguments are those of ``step``."""
    batch, places, vocabulary = logits.shape
    sampled = Sampling()(logits.reshape(-1, vocabulary), noise[0].flatten()).view(batch, places)
    return torch.where(hidden, sampled, codes)


def fractions(schedule: str, steps: int) -> Tensor:
    """The fraction of the places that is hidden after each of T steps, float32 [T], 0 after the last."""
    done = torch.arange(1, steps + 1) / steps
    match schedule:
        case "linear":
            return 1 - done
        case "square":
            return 1 - done**2
        case _:
            return torch.cos(done * math.pi / 2)


def temperatures(temperature: float, steps: int) -> Iterator[float]:
    """The temperature of each of T steps: that of the step before times 1 − k/T in step k, counted from 1."""
    for number in range(1, steps + 1):
        temperature *= 1 - number / steps
        yield temperature
