"""A head that predicts the latents of the next place. R states    C width of latents    H hidden width"""

from __future__ import annotations

import itertools

import torch
from janiform import Hidden, Latents, Loss
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from .config import RegressionHeadConfig


class RegressionHead(nn.Module):
    """Hidden states [R, H] -> the expected latents [R, C] of the places after them."""

    def __init__(self, config: RegressionHeadConfig, hidden: Hidden, drawn: Latents) -> None:
        super().__init__()
        self.config = config
        widths = [hidden.width] * config.layers + [drawn.width]
        modules: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            modules += [nn.GELU(), nn.Linear(before, after)]
        self.layers = nn.Sequential(*modules[1:])

    def forward(self, hidden: Tensor) -> Tensor:
        predicted = self.layers(hidden)
        return normalize(predicted, dim=-1) if self.config.unit else predicted

    def loss(self, hidden: Tensor, latents: Tensor) -> Loss:
        """1 - cosine, or the mean squared difference, to latents [R, C], in float32 and summed over places."""
        wide = torch.promote_types(hidden.dtype, torch.float32)
        predicted, target = self(hidden).to(wide), latents.to(wide)
        if self.config.loss == "cosine":
            total = (1 - cosine_similarity(predicted, target, dim=-1)).sum()
        else:
            total = (predicted - target).square().mean(-1).sum()
        return Loss(total, torch.full_like(total, len(latents), requires_grad=False))
