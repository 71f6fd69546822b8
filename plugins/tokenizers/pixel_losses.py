"""Losses of the built-in tokenizers: the errors of the pixels, and weighted means that are counted in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from janiform import Loss
from torch import Tensor


class PixelLosses(Protocol):
    """What a tokenizer's config says about the errors of its pixels."""

    @property
    def l1(self) -> float:
        """Weight of the mean absolute error."""

    @property
    def l2(self) -> float:
        """Weight of the mean squared error."""


Weighted = tuple[float, Tensor]
"""The weight of a loss, and its value for a batch before it is weighted."""


def pixel_errors(config: PixelLosses, decoded: Tensor, pixels: Tensor) -> dict[str, Weighted]:
    """The mean absolute and squared errors of decoded pixels [B, 3, h, w]: ``l1`` and ``l2``."""
    error = decoded.float() - pixels
    return {"l1": (config.l1, error.abs().mean()), "l2": (config.l2, error.square().mean())}


def counted(losses: Mapping[str, Weighted], pixels: Tensor) -> dict[str, Loss]:
    """Losses that are means over a batch's pictures as sums, counted in pictures; those of no weight are left out."""
    count = torch.full((), float(len(pixels)), device=pixels.device)
    return {name: Loss(weight * value * count, count) for name, (weight, value) in losses.items() if weight}


def full_precision(tensor: Tensor) -> AbstractContextManager[Any]:
    """Disable autocast, so that codes and latents do not depend on it. The meta device has no autocast."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
