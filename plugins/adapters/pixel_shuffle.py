"""Space to depth, then an MLP: the connector of InternVL (arXiv:2404.16821) and Idefics3 (arXiv:2408.12637).

B pictures    h, w sides of the features' grid    f factor    C width
"""

from __future__ import annotations

from janiform import Features, Grid, Hidden
from torch import Tensor, nn

from .config import MlpAdapterConfig, PixelShuffleConfig
from .projections import MlpAdapter


class PixelShuffleAdapter(nn.Module):
    """Features [B, h·w, C] -> [B, h·w / f², H], in raster order."""

    def __init__(self, config: PixelShuffleConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        merged = config.merged(source)
        self.factor = config.factor
        self.grid = merged.grid
        self.norm = nn.LayerNorm(merged.width) if config.norm else nn.Identity()
        self.mlp = MlpAdapter(MlpAdapterConfig(depth=config.depth), merged, hidden)

    def forward(self, features: Tensor) -> Tensor:
        return self.mlp(self.norm(merge(features, self.grid, self.factor)))


def merge(features: Tensor, grid: Grid, factor: int) -> Tensor:
    """Features [B, h·w, C] -> their squares [B, h/f · w/f, f²·C]; ``grid`` is the grid of the squares.

    The features of a square are concatenated row by row: channel c of the feature at row i and column j of its square
    becomes channel (i·f + j)·C + c. (``torch.nn.functional.pixel_unshuffle`` has (c·f + i)·f + j.)
    """
    squares = features.unflatten(1, (grid.height, factor, grid.width, factor)).transpose(2, 3)
    return squares.flatten(3).flatten(1, 2)
