"""Vectors of the time of a process. n pictures    F sines and cosines    H width"""

from __future__ import annotations

from math import log
from typing import Literal

import torch
from torch import Tensor, nn

MAX_PERIOD = 10_000


def time_waves(times: Tensor, frequencies: int, order: Literal["cos-sin", "sin-cos"] = "cos-sin") -> Tensor:
    """Times [n] to their sines and cosines [n, F], float32, at rates that fall from 1 towards 1/10 000.

    Those of diffusers' ``Timesteps`` with ``downscale_freq_shift=0``.
    """
    half = frequencies // 2
    rates = torch.exp(torch.arange(half, device=times.device, dtype=torch.float32) * (-log(MAX_PERIOD) / half))
    angles = times.float()[:, None] * rates
    waves = (angles.cos(), angles.sin()) if order == "cos-sin" else (angles.sin(), angles.cos())
    return torch.cat(waves, dim=-1)


class TimeEmbedding(nn.Module):
    """Times [n] to vectors [n, H]: waves, Linear, SiLU, Linear, as in diffusers' ``TimestepEmbedding``."""

    def __init__(
        self, frequencies: int, width: int, multiplier: float = 1000.0, order: Literal["cos-sin", "sin-cos"] = "cos-sin"
    ) -> None:
        super().__init__()
        self.frequencies, self.multiplier, self.order = frequencies, multiplier, order
        self.into = nn.Linear(frequencies, width)
        self.out = nn.Linear(width, width)

    def forward(self, times: Tensor) -> Tensor:
        waves = time_waves(times.float() * self.multiplier, self.frequencies, self.order)
        return self.out(nn.functional.silu(self.into(waves.to(self.into.weight.dtype))))
