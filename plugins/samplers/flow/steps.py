"""The steps from noise to a picture, as functions of tensors.

B pictures    R guidance rows    N places of a picture    C width of latents    s noise level, 1 noise and 0 data
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from janiform import Steps
from torch import Tensor

from .process import Predicted, shifted

NO_DATA = 1e-3
"""Where less than this share of a picture is data, predicted noise says nothing about the data."""


def levels(steps: int, shift: float = 1.0) -> list[float]:
    """The ``steps`` + 1 noise levels of drawing, from 1 to 0: 1 - i/steps, shifted.

    Those of diffusers' ``FlowMatchEulerDiscreteScheduler(shift=shift)`` for ``sigmas = 1 - i/steps``.
    """
    return [shifted(1 - index / steps, shift) for index in range(steps)] + [0.0]


def slope(predicted: Tensor, z: Tensor, level: float, of: Predicted, data_at: float = 1.0) -> Tensor:
    """The change of latents z [B, N, C] per unit of the level, noise - data, by what the head predicted of them."""
    if of == "velocity":
        return -predicted if data_at else predicted
    if of == "data":
        return (z - predicted) / max(level, 1e-6)
    data = (z - level * predicted) / (1 - level) if 1 - level > NO_DATA else torch.zeros_like(z)
    return predicted - data


def data_of(z: Tensor, change: Tensor, level: float) -> Tensor:
    """The picture that latents z [B, N, C] of a noise level lead to along a straight line."""
    return z - level * change


def draw_along(
    z: Tensor,
    path: Sequence[float],
    change: Callable[[Tensor, float], Tensor],
    solver: Literal["euler", "heun"] = "euler",
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Steps[Tensor]:
    """Latents [B, N, C] at the end of a ``path`` of noise levels, from z at its beginning; yields None after each step.

    Args:
        change: the slope of latents at a level; see ``slope``.
        solver: Heun's method (arXiv:2206.00364) corrects each step but one to level 0 by the slope at its end.
        on_step: called with the number of steps done and the picture that the latents would be.
    """
    for index, (level, following) in enumerate(itertools.pairwise(path)):
        slope_here = change(z, level)
        step = following - level
        if solver == "heun" and following > 0:
            ahead = z + step * slope_here
            slope_here = (slope_here + change(ahead, following)) / 2
        data = data_of(z, slope_here, level)
        z = z + step * slope_here
        if on_step is not None:
            on_step(index + 1, z if following == 0 else data)
        yield None
    return z


def renormed(guided: Tensor, plain: Tensor, over: Literal["none", "global", "channel"]) -> Tensor:
    """A guided prediction [B, N, C], no longer than the plain one: over all of a picture, or place by place (BAGEL)."""
    if over == "none":
        return guided
    dims = (1, 2) if over == "global" else (2,)
    lengths = [torch.linalg.vector_norm(each, dim=dims, keepdim=True) for each in (plain, guided)]
    return guided * (lengths[0] / (lengths[1] + 1e-8)).clamp(min=0, max=1)
