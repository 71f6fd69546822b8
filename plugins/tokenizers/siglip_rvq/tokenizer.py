"""Residual codes of SigLIP's features, as in VILA-U (arXiv:2409.04429).

B pictures    W width of the features    h, w sides of the grid of patches
"""

from __future__ import annotations

from torch import Tensor

from ...encoders.siglip import SiglipEncoder
from ..rvq import RvqTokenizer
from .config import SiglipRvqConfig


class GridEncoder(SiglipEncoder):
    """Pixels [B, 3, h·p, w·p] -> features [B, W, h, w] of patches of p × p pixels."""

    def forward(self, pixels: Tensor) -> Tensor:
        _, _, height, width = pixels.shape
        side = self.patch_embed.kernel_size[0]
        return super().forward(pixels).transpose(1, 2).unflatten(2, (height // side, width // side))


class SiglipRvqTokenizer(RvqTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, d] in raster order, whose vectors [B, N, D] are sums over the levels.

    SigLIP's pixels are in the same range.
    """

    config: SiglipRvqConfig

    @property
    def encoded(self) -> int:
        return self.config.width

    def make_encoder(self) -> GridEncoder:
        return GridEncoder(self.config.eyes())
