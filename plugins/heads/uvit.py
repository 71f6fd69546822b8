"""The decoder of JanusFlow's shallow U-ViT, with the norm and the layer that map from the hidden width.

n pictures    N = h·w places of a picture    C values of a place    H hidden width    W width
"""

from __future__ import annotations

from typing import Any

import torch
from janiform import Corrupted, Hidden, Latents
from torch import Tensor, nn

from ..embeddings.convnext import EPS, ConvNextBlock, off_grid, on_grid
from .config import UvitHeadConfig
from .values import SquaredHead


class UvitHead(SquaredHead):
    """States [n, lead + N, H] and the latents that the embedding read -> [n, N, C].

    The features of the embedding are computed from the latents and their times once more, so that nothing is kept
    between the two.
    """

    _embedding: Any

    def __init__(self, config: UvitHeadConfig, hidden: Hidden, drawn: Latents) -> None:
        super().__init__()
        self.width, self.grid = config.width, drawn.grid
        self.norm = nn.RMSNorm(hidden.width, config.eps)
        self.aligner = nn.Linear(hidden.width, config.width)
        self.input_norm = nn.RMSNorm(config.width, EPS)
        self.blocks = nn.ModuleList(ConvNextBlock(2 * config.width, hidden.width) for _ in range(config.blocks))
        self.out_norm = nn.RMSNorm(2 * config.width, EPS)
        self.out_conv = nn.Conv2d(2 * config.width, drawn.width, 1)

    def borrow(self, embedding: Any) -> None:
        # Not as a submodule, since the weights belong to the embedding.
        object.__setattr__(self, "_embedding", embedding)

    def forward(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        skip, time = self._embedding.encode(drawn, corrupted)
        states = self.input_norm(self.aligner(self.norm(hidden[:, -drawn.shape[1] :])))
        features = torch.cat((on_grid(states, self.grid.height, self.grid.width), skip), dim=1)
        for block in self.blocks:
            features = block(features, time)
        normed = self.out_norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return off_grid(self.out_conv(normed))
