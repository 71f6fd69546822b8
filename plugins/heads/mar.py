"""The decoder of MAR (arXiv:2406.11838), with a diffusion for each place, over the states of a language model.

n pictures    N places of a picture    U vectors of the buffer    C values of a place    H hidden width    W width
"""

from __future__ import annotations

from typing import Any

import torch
from janiform import Corrupted, Hidden, Latents
from torch import Tensor, nn

from ..embeddings.mar import MarBlocks, resized
from ..encoders.vit import initialise_linears
from .config import MarHeadConfig
from .diffusion import PlaceDiffusion


class MarHead(PlaceDiffusion):
    """States [n, N + U, H], the buffer behind the places → what each place is drawn from [n, N, W].

    The vectors of the embedding, to which the states are added, are computed once more, so that nothing is kept between
    the two.
    """

    _embedding: Any

    def __init__(self, config: MarHeadConfig, hidden: Hidden, drawn: Latents) -> None:
        config.predict(hidden, drawn)
        super().__init__(config, config.net_width, config.net_depth, config.width, drawn.width)
        self.grid, self.buffer, self.width = drawn.grid, config.buffer, config.width
        self.into, self.out = nn.Linear(hidden.width, hidden.width), nn.Linear(hidden.width, config.width)
        self.enter = nn.Linear(config.width, config.width)
        self.masked = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)
        self.transformer = MarBlocks(config, drawn.grid)
        self.positions = nn.Parameter(torch.randn(1, self.transformer.table.size, config.width) * 0.02)
        for layer in (self.enter, self.transformer):
            initialise_linears(layer)

    def borrow(self, embedding: Any) -> None:
        # Not as a submodule, since the weights belong to the embedding.
        object.__setattr__(self, "_embedding", embedding)

    def forward(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        states = hidden.roll(self.buffer, 1)
        vectors = self._embedding.encode(drawn, corrupted) + self.out(nn.functional.silu(self.into(states)))
        x = self.enter(vectors)
        if corrupted.hidden is not None:
            shown = corrupted.hidden.new_zeros(len(x), self.buffer)
            masked = torch.cat((shown, corrupted.hidden), dim=1)[..., None]
            x = torch.where(masked, self.masked.to(x.dtype), x)
        x = self.transformer(self.transformer.placed(x))[:, self.buffer :]
        return x + resized(self.positions, self.transformer.table, self.grid)
