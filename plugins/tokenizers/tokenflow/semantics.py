"""The semantic branch: a teacher's features, and the decoder that gives them back from the vectors of codes.

B pictures    M places of the grid    T patches of the teacher    W width of the teacher    S width of a code's part
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...encoders.clip import ClipEncoder
from ...encoders.config import ClipConfig
from ...encoders.siglip import SiglipEncoder
from ...encoders.vit import Block, initialise_linears
from .config import TokenflowConfig


class Teacher(nn.Module):
    """Pixels [B, 3, h, w] in [-1, 1] -> features [B, T, W] of a vision encoder, which is not trained."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: TokenflowConfig) -> None:
        super().__init__()
        sizes = config.teacher_config
        self.side, self.grid = config.teacher_size, sizes.grid
        self.encoder: nn.Module
        if isinstance(sizes, ClipConfig):
            self.encoder = ClipEncoder(sizes)
        else:
            self.encoder = SiglipEncoder(sizes)
            self.encoder.norm = nn.Identity()  # the features before the last block have no norm
        self.projection = _projection(config) if config.projection else nn.Identity()
        for name, values in (("mean", sizes.mean), ("std", sizes.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        scaled = (resized_pixels(pixels, self.side) + 1) / 2
        weights = self.encoder.patch_embed.weight
        features: Tensor = self.encoder(((scaled - self.mean) / self.std).to(weights.dtype))
        return features

    @torch.no_grad()
    def target(self, features: Tensor) -> Tensor:
        """What the semantic decoder gives back: the features, projected where the teacher has a projection."""
        projected: Tensor = self.projection(features)
        return projected


def _projection(config: TokenflowConfig) -> nn.Module:
    """The norm and the matrix after CLIP's last block."""
    norm = nn.LayerNorm(config.teacher_width, eps=config.teacher_config.eps)
    return nn.Sequential(norm, nn.Linear(config.teacher_width, config.projection, bias=False))


def task_layer(width: int, outputs: int) -> nn.Sequential:
    """The layers before the codes and after the decoder, as in BEiT v2 (arXiv:2208.06366)."""
    return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, outputs))


class SemanticDecoder(nn.Module):
    """Vectors [B, M, S] of codes -> features [B, M, W], by transformer blocks."""

    def __init__(self, config: TokenflowConfig) -> None:
        super().__init__()
        width = config.teacher_width
        self.into = nn.Linear(config.semantic_width, width)
        self.pos_embed = nn.Parameter(torch.empty(1, config.grid.size, width))
        sizes = config.teacher_config
        self.blocks = nn.ModuleList(
            Block(width, sizes.heads, sizes.inner_width, 1e-6, "gelu") for _ in range(config.semantic_layers)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        initialise_linears(self)
        nn.init.normal_(self.pos_embed, std=0.02)

    def forward(self, vectors: Tensor) -> Tensor:
        x = self.into(vectors) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def resized_pixels(pixels: Tensor, side: int) -> Tensor:
    """Pixels [B, 3, h, w] as [B, 3, side, side], bicubically."""
    if pixels.shape[-2:] == (side, side):
        return pixels
    return interpolate(pixels, (side, side), mode="bicubic")
