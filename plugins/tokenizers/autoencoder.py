"""The convolutional encoder and decoder of a VQGAN (arXiv:2012.09841).

B pictures    C channels    h, w sides at a level
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention, silu

from .config import ConvolutionalConfig

EPS = 1e-6


class Encoder(nn.Module):
    """Pixels [B, 3, h, w] -> [B, latent, h / factor, w / factor]."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        widths = [config.channels * multiplier for multiplier in config.multipliers]
        self.conv_in = nn.Conv2d(3, config.channels, 3, padding=1)
        self.conv_blocks = nn.ModuleList()
        for index, (before, after) in enumerate(pairwise([config.channels, *widths])):
            last = index == len(widths) - 1
            resample = None if last else Downsample
            self.conv_blocks.append(
                Level(before, after, config.blocks, config.groups, config.attention and last, resample)
            )
        self.mid = middle(widths[-1], config)
        self.norm_out = nn.GroupNorm(config.groups, widths[-1], eps=EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.latent, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.conv_in(pixels)
        for level in self.conv_blocks:
            x = level(x)
        return self.conv_out(silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """[B, latent, h / factor, w / factor] -> pixels [B, 3, h, w]. The first level has the smallest sides."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        widths = [config.channels * multiplier for multiplier in reversed(config.multipliers)]
        self.conv_in = nn.Conv2d(config.latent, widths[0], 3, padding=1)
        self.mid = middle(widths[0], config)
        self.conv_blocks = nn.ModuleList()
        for index, (before, after) in enumerate(pairwise([widths[0], *widths])):
            attention = config.attention and index == 0
            resample = None if index == len(widths) - 1 else Upsample
            self.conv_blocks.append(Level(before, after, config.blocks + 1, config.groups, attention, resample))
        self.norm_out = nn.GroupNorm(config.groups, widths[-1], eps=EPS)
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.mid(self.conv_in(latents))
        for level in self.conv_blocks:
            x = level(x)
        return self.conv_out(silu(self.norm_out(x)))


class Level(nn.Module):
    """Residual blocks, each optionally followed by attention, then resampling to the next level."""

    def __init__(
        self,
        before: int,
        after: int,
        blocks: int,
        groups: int,
        attention: bool,
        resample: type[Downsample] | type[Upsample] | None,
    ) -> None:
        super().__init__()
        self.res = nn.ModuleList(Residual(before if i == 0 else after, after, groups) for i in range(blocks))
        self.attn = nn.ModuleList(Attention(after, groups) for _ in range(blocks if attention else 0))
        # The released files name the resampling by its direction.
        self.downsample = resample(after) if resample is Downsample else None
        self.upsample = resample(after) if resample is Upsample else None

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self.res):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
        resample = self.downsample or self.upsample
        return x if resample is None else resample(x)


def middle(width: int, config: ConvolutionalConfig) -> nn.Sequential:
    attention = Attention(width, config.groups) if config.attention else nn.Identity()
    return nn.Sequential(Residual(width, width, config.groups), attention, Residual(width, width, config.groups))


class Residual(nn.Module):
    def __init__(self, before: int, after: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, before, eps=EPS)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, after, eps=EPS)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.nin_shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv1(silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(silu(self.norm2(change)))


class Attention(nn.Module):
    """Full self-attention over positions, with one head."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=EPS)
        self.q = nn.Conv2d(width, width, 1)
        self.k = nn.Conv2d(width, width, 1)
        self.v = nn.Conv2d(width, width, 1)
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v = (layer(normed).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))
        attended_BNC = scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.proj_out(attended_BNC.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    """Halve the sides; one pixel of padding on the right and at the bottom only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the sides."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))
