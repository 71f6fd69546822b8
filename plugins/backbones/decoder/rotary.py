"""Rotary positions (arXiv:2104.09864).

B rows    T positions    Dh head width
"""

from __future__ import annotations

import torch
from torch import Tensor


def frequencies(width: int, theta: float, device: torch.device) -> Tensor:
    """Radians per position [Dh / 2] of each pair of a head's channels, in float32."""
    channel = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    return theta ** -(channel / width)


def rotation(positions: Tensor, frequency: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine [B, 1, T, Dh] of the rotary angles, which are computed in float32."""
    angle = positions[:, None, :, None].float() * frequency
    cosine, sine = angle.cos(), angle.sin()
    return torch.cat((cosine, cosine), dim=-1).to(dtype), torch.cat((-sine, sine), dim=-1).to(dtype)


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turns channel pairs (i, i + Dh/2) of [B, heads, T, Dh], the pairing of the released weights."""
    cosine, sine = turn
    return x * cosine.to(x.dtype) + x.roll(x.shape[-1] // 2, dims=-1) * sine.to(x.dtype)
