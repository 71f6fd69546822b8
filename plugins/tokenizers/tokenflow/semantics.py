"""The semantic branch: a teacher's features, and the decoder that gives them back from the vectors of codes.

B pictures    M places of the grid    T patches of the teacher    W width of the teacher    S width of a code's part
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, layer_norm, linear

from ...encoders.clip import ClipEncoder
from ...encoders.config import ClipConfig
from ...encoders.siglip import SiglipEncoder
from ...encoders.vit import Block, initialise_linears
from .config import TokenflowConfig


class Teacher(nn.Module):
    """Pixels [B, 3, h, w] in [-1, 1] -> features [B, T, W] of a vision encoder."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: TokenflowConfig) -> None:
        super().__init__()
        sizes = config.teacher_config
        self.side, self.grid = config.teacher_size, sizes.grid
        self.encoder: nn.Module
        self.projection: nn.Module
        if isinstance(sizes, ClipConfig):
            self.encoder = ClipEncoder(sizes)
        else:
            self.encoder = SiglipEncoder(sizes)
            self.encoder.norm = nn.Identity()  # the features before the last block have no norm
        self.projection = nn.Identity()
        if config.projection:
            self.projection = Projection(config.teacher_width, config.projection, sizes.eps)
        for name, values in (("mean", sizes.mean), ("std", sizes.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        scaled = (resized_pixels(pixels, self.side) + 1) / 2
        weights = self.encoder.patch_embed.weight
        features: Tensor = self.encoder(((scaled - self.mean) / self.std).to(weights.dtype))
        return features

    def target(self, features: Tensor) -> Tensor:
        """What the semantic decoder is to give back: the features, projected where the teacher has a projection.

        It is not trained, so that features do not become what is easily given back.
        """
        projected: Tensor = self.projection(features.detach())
        return projected


class Projection(nn.Module):
    """The norm and the matrix after CLIP's last block. They are never trained, hence no parameters."""

    norm_weight: Tensor
    norm_bias: Tensor
    weight: Tensor

    def __init__(self, width: int, outputs: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("norm_weight", torch.ones(width))
        self.register_buffer("norm_bias", torch.zeros(width))
        self.register_buffer("weight", torch.randn(outputs, width) * width**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        normed = layer_norm(features, features.shape[-1:], self.norm_weight, self.norm_bias, self.eps)
        return linear(normed, self.weight)


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
