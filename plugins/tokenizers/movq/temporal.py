"""Convolutions over time, from the frames of a still video to one frame and back to its first.

B pictures    C channels    t frames    h, w sides
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad, silu

from .config import MovqConfig

EPS = 1e-5

BEFORE = 2
"""Frames of zeros before the first one, whatever the kernel."""


class TemporalEncoder(nn.Module):
    """Features of a picture [B, C, h, w] -> those of its still video [B, C, 1, h, w]."""

    def __init__(self, config: MovqConfig) -> None:
        super().__init__()
        self.frames = config.frames
        halvings = config.frames.bit_length() - 1
        self.convs = nn.ModuleList(CausalConv(config.latent, (4, 3, 3), stride=2) for _ in range(halvings))
        self.blocks = nn.Sequential(*(TemporalResidual(config.latent) for _ in range(config.blocks)))

    def forward(self, features: Tensor) -> Tensor:
        # All frames are the same, so that layers of single frames need to run once.
        x = features[:, :, None].expand(-1, -1, self.frames, -1, -1)
        for conv in self.convs:
            x = silu(conv(x))
        return self.blocks(x)


class TemporalDecoder(nn.Module):
    """Vectors [B, C, 1, h, w] of one frame -> those of the first frame of its video.

    The released decoder doubles the frames before each convolution. The picture is the first of them, and no frame
    depends on later ones, so that the others are not computed.
    """

    def __init__(self, config: MovqConfig) -> None:
        super().__init__()
        doublings = config.frames.bit_length() - 1
        self.blocks = nn.Sequential(*(TemporalResidual(config.latent) for _ in range(config.blocks)))
        self.convs = nn.ModuleList(CausalConv(config.latent, (3, 3, 3)) for _ in range(doublings))

    def forward(self, vectors: Tensor) -> Tensor:
        x = self.blocks(vectors)
        for conv in self.convs:
            x = silu(conv(x))
        return x


class CausalConv(nn.Module):
    """A convolution over [B, C, t, h, w] in which no frame depends on later ones."""

    def __init__(self, width: int, kernel: tuple[int, int, int], stride: int = 1) -> None:
        super().__init__()
        _, height, breadth = kernel
        sides = (height // 2, breadth // 2)
        self.conv = nn.Conv3d(width, width, kernel, stride=(stride, 1, 1), padding=(0, *sides))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, 0, 0, 0, BEFORE, 0)))


class TemporalResidual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = FixedNorm(width)
        self.conv1 = CausalConv(width, (3, 3, 3))
        self.norm2 = FixedNorm(width)
        self.conv2 = CausalConv(width, (3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv1(silu(self.norm1(x)))
        return x + self.conv2(silu(self.norm2(change)))


class FixedNorm(nn.Module):
    """Batch normalisation by stored statistics, also in training.

    With those of a batch, the loss of a picture would depend on the pictures beside it, and on how a step is divided.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=EPS)
