"""A head that predicts the values of whole pictures.

n pictures    N places of a picture    C width of latents    H hidden width
"""

from __future__ import annotations

import itertools

import torch
from janiform import Corrupted, Hidden, Latents, Loss
from torch import Tensor, nn

from .config import ValuesHeadConfig

EPS = 1e-6


class SquaredHead(nn.Module):
    """The loss of heads that predict values."""

    def loss(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted, target: Tensor) -> Loss:
        """The squared difference to the target [n, N, C], float32: the mean of a place's values, summed over places."""
        difference = self(hidden, drawn, corrupted).float() - target.float()
        total = difference.square().mean(-1).sum()
        return Loss(total, torch.full_like(total, target.shape[0] * target.shape[1], requires_grad=False))


class ValuesHead(SquaredHead):
    """Hidden states [n, lead + N, H] -> values [n, N, C], each from the state at its own position."""

    def __init__(self, config: ValuesHeadConfig, hidden: Hidden, drawn: Latents) -> None:
        super().__init__()
        self.places = drawn.tokens
        norms = {"none": nn.Identity, "rms": nn.RMSNorm, "layer": nn.LayerNorm}
        self.norm = norms[config.norm](hidden.width, eps=EPS)
        widths = [hidden.width] * config.layers + [drawn.width]
        modules: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            modules += [nn.SiLU(), nn.Linear(before, after, bias=config.bias)]
        self.layers = nn.Sequential(*modules[1:])
        if config.zeros:
            for parameter in self.layers[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        return self.layers(self.norm(hidden[:, -self.places :]))
