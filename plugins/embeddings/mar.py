"""The encoder of MAR (arXiv:2406.11838), and what its decoder, a head, shares with it.

n pictures    N places of a picture    U vectors of the buffer    C values of a place    W width of the blocks
"""

from __future__ import annotations

import torch
from janiform import Corrupted, Grid, Hidden, Latents
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..encoders.vit import Block, initialise_linears
from .config import MarEmbeddingConfig, MarTransformer

EPS = 1e-6


class MarBlocks(nn.Module):
    """Positions and blocks over [n, U + N, W], the buffer before the places."""

    def __init__(self, config: MarTransformer, grid: Grid) -> None:
        super().__init__()
        self.grid, self.buffer = grid, config.buffer
        self.table = Grid(config.table, config.table) if config.table else grid
        self.positions = nn.Parameter(torch.randn(1, config.buffer + self.table.size, config.width) * 0.02)
        blocks = (Block(config.width, config.heads, 4 * config.width, EPS, "gelu") for _ in range(config.layers))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(config.width, EPS)

    def placed(self, x: Tensor) -> Tensor:
        """The vectors with their positions."""
        buffer, places = self.positions[:, : self.buffer], self.positions[:, self.buffer :]
        return x + torch.cat((buffer, resized(places, self.table, self.grid)), dim=1)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, seen)
        return self.norm(x)


class MarEmbedding(nn.Module):
    """Latents [n, N, C] -> vectors [n, N + U, W], the buffer behind the places.

    Nothing attends to hidden places, so that all others have the vectors that they have without them.
    """

    def __init__(self, config: MarEmbeddingConfig, drawn: Latents, hidden: Hidden) -> None:
        super().__init__()
        config.embed(drawn, hidden)
        self.config, self.buffer = config, config.buffer
        self.enter = nn.Linear(drawn.width, config.width)
        self.begin = nn.Parameter(torch.randn(1, config.width) * 0.02)
        self.enter_norm = nn.LayerNorm(config.width, EPS)
        self.transformer = MarBlocks(config, drawn.grid)
        initialise_linears(self)

    def forward(self, drawn: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        return self.encode(drawn, corrupted).roll(-self.buffer, 1)

    def encode(self, drawn: Tensor, corrupted: Corrupted | None = None) -> Tensor:
        """Vectors [n, U + N, W], the buffer before the places, as the decoder reads them."""
        drawn, hidden = drawn.to(self.enter.weight.dtype), None if corrupted is None else corrupted.hidden
        seen = None
        if hidden is not None:
            drawn = drawn.masked_fill(hidden[..., None], 0)
            seen = torch.cat((hidden.new_ones(len(hidden), self.buffer), ~hidden), dim=1)
        places = self.enter(drawn)
        buffer = self.begin.to(places.dtype).expand(len(places), self.buffer, -1)
        x = self.transformer.placed(torch.cat((buffer, places), dim=1))
        vectors: Tensor = self.transformer(self.enter_norm(x), seen)
        return vectors


def resized(table: Tensor, given: Grid, grid: Grid) -> Tensor:
    """Positions [1, N, W] of another grid, bilinearly in float32 at least, as in Harmon."""
    if given == grid:
        return table
    wide = torch.promote_types(table.dtype, torch.float32)
    planes = table.to(wide).unflatten(1, (given.height, given.width)).permute(0, 3, 1, 2)
    return interpolate(planes, (grid.height, grid.width), mode="bilinear").flatten(2).transpose(1, 2).to(table.dtype)
