"""ConvNeXt V2 blocks (arXiv:2301.00808) that a vector modulates, as in JanusFlow.

n pictures    C channels    h, w places    E width of the condition
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

EPS = 1e-6


class ResponseNorm(nn.Module):
    """Global response normalisation of [n, h, w, C]: channels compete by their norms over the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.bias = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        return self.bias + (self.weight * norms / (norms.mean(dim=-1, keepdim=True) + EPS) + 1) * x


class ConvNextBlock(nn.Module):
    """Features [n, C, h, w] and conditions [n, E] -> [n, C, h, w]; scale and shift follow the residual sum."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.RMSNorm(channels, EPS)
        self.channelwise_linear_1 = nn.Linear(channels, 4 * channels)
        self.channelwise_norm = ResponseNorm(4 * channels)
        self.channelwise_linear_2 = nn.Linear(4 * channels, channels)
        self.cond_embeds_mapper = nn.Linear(condition, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.channelwise_norm(nn.functional.gelu(self.channelwise_linear_1(y)))
        x = x + self.channelwise_linear_2(y).permute(0, 3, 1, 2)
        scale, shift = self.cond_embeds_mapper(silu(condition))[..., None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


def on_grid(vectors: Tensor, height: int, width: int) -> Tensor:
    """Vectors [n, h·w, C] of a picture's places in raster order -> [n, C, h, w]."""
    return vectors.transpose(1, 2).unflatten(2, (height, width))


def off_grid(features: Tensor) -> Tensor:
    """Features [n, C, h, w] -> vectors [n, h·w, C]."""
    return features.flatten(2).transpose(1, 2)
