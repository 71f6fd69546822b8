"""Rotary positions (arXiv:2104.09864).

B rows    T positions    Dh head width
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from .config import Stretch


def frequencies(width: int, theta: float, device: torch.device) -> Tensor:
    """Radians per position [Dh / 2] of each pair of a head's channels, in float32."""
    channel = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    return theta ** -(channel / width)


def stretched(frequency: Tensor, stretch: Stretch) -> Tensor:
    """Rotary frequencies of any shape, lowered as in Llama 3.1 (arXiv:2407.21783), the "llama3" rope type.

    Channels with many rotations within the original context tell near positions apart and keep their frequency; those
    with few rotations are divided by the factor; in between, the two are interpolated by the number of rotations.
    """
    rotations = stretch.context * frequency / (2 * pi)
    kept = ((rotations - stretch.low) / (stretch.high - stretch.low)).clamp(0, 1)
    return frequency * (kept + (1 - kept) / stretch.factor)


def rotation(positions: Tensor, frequency: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine [B, 1, T, Dh] of the rotary angles, which are computed in float32."""
    angle = positions[:, None, :, None].float() * frequency
    cosine, sine = angle.cos(), angle.sin()
    return torch.cat((cosine, cosine), dim=-1).to(dtype), torch.cat((-sine, sine), dim=-1).to(dtype)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate channel pairs (i, i + Dh/2) of [B, heads, T, Dh], the pairing of the released weights."""
    cosine, sine = rotation
    return x * cosine.to(x.dtype) + x.roll(x.shape[-1] // 2, dims=-1) * sine.to(x.dtype)
