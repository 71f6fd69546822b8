"""Rotary positions (arXiv:2104.09864).

B rows    T positions    Dh head width
"""

from __future__ import annotations

from collections.abc import Callable
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


def turned(heads: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Heads [B, h, T, Dh] whose first channels are rotated: as many as ``rotation`` gave angles for."""
    cosine, sine = (angle.to(heads.dtype) for angle in rotary)
    width = cosine.shape[-1]
    first, rest = heads[..., :width], heads[..., width:]
    return torch.cat((first * cosine + first.roll(width // 2, dims=-1) * sine, rest), dim=-1)


class RotaryTable:
    """Cosine and signed sine of all positions up to a length, computed once for the steps of decoding."""

    def __init__(self) -> None:
        self._tables: tuple[Tensor, Tensor] | None = None

    def __call__(
        self, positions: Tensor, length: int, dtype: torch.dtype, frequencies: Callable[[torch.device], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Those of ``rotation`` for positions [B, T] below ``length``."""
        tables, device = self._tables, positions.device
        if tables is None or len(tables[0]) < length or tables[0].dtype != dtype or tables[0].device != device:
            all_positions = torch.arange(length, device=device)[None]
            cosine, sine = rotation(all_positions, frequencies(device), dtype)
            tables = self._tables = cosine[0, 0], sine[0, 0]
        cosine, sine = tables
        return cosine[positions][:, None], sine[positions][:, None]
