"""The convolutional encoder and decoder of a VQGAN (arXiv:2012.09841).

B pictures    C channels    h, w sides at a level
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention, silu

from .levels import Autoencoder, LevelSize

EPS = 1e-6

Norm = Callable[[int], nn.Module]
"""Makes the norm of a width. The norms of a decoder may read further tensors, which its ``forward`` passes to all."""


def keep_variance(module: nn.Module) -> None:
    """Initialise so that every convolution keeps the variance (arXiv:1502.01852).

    PyTorch's default shrinks it, and a small autoencoder then takes several times as many steps to learn more of a
    picture than its background.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Encoder(nn.Module):
    """Pixels [B, 3, h, w] -> [B, outputs, h / factor, w / factor]; ``outputs`` are the sizes' ``latent`` by default."""

    def __init__(self, sizes: Autoencoder, outputs: int | None = None) -> None:
        super().__init__()
        norm = partial(nn.GroupNorm, sizes.groups, eps=EPS)
        levels = sizes.encoder_levels
        self.conv_in = nn.Conv2d(3, sizes.channels, 3, padding=1)
        self.conv_blocks = nn.ModuleList()
        before = sizes.channels
        for index, level in enumerate(levels):
            self.conv_blocks.append(Level(before, level, norm, Downsample if index < len(levels) - 1 else None))
            before = level.width
        self.mid = Middle(before, norm, sizes.attention)
        self.norm_out = norm(before)
        self.conv_out = nn.Conv2d(before, outputs or sizes.latent, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.conv_in(pixels)
        for level in self.conv_blocks:
            x = level(x)
        return self.conv_out(silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """[B, latent, h / factor, w / factor] -> pixels [B, 3, h, w]. The first level has the smallest sides.

    ``norm`` makes its norms, instead of group norms; they are called with the ``conditions`` of ``forward`` as well.
    """

    def __init__(self, sizes: Autoencoder, norm: Norm | None = None) -> None:
        super().__init__()
        norm = norm or partial(nn.GroupNorm, sizes.groups, eps=EPS)
        levels = sizes.decoder_levels
        before = levels[0].width
        self.conv_in = nn.Conv2d(sizes.latent, before, 3, padding=1)
        self.mid = Middle(before, norm, sizes.attention)
        self.conv_blocks = nn.ModuleList()
        for index, level in enumerate(levels):
            self.conv_blocks.append(Level(before, level, norm, Upsample if index < len(levels) - 1 else None))
            before = level.width
        self.norm_out = norm(before)
        self.conv_out = nn.Conv2d(before, 3, 3, padding=1)

    def forward(self, latents: Tensor, *conditions: Tensor) -> Tensor:
        x = self.mid(self.conv_in(latents), *conditions)
        for level in self.conv_blocks:
            x = level(x, *conditions)
        return self.conv_out(silu(self.norm_out(x, *conditions)))


class Level(nn.Module):
    """Residual blocks, each optionally followed by attention, then resampling to the next level."""

    def __init__(
        self, before: int, size: LevelSize, norm: Norm, resample: type[Downsample] | type[Upsample] | None
    ) -> None:
        super().__init__()
        width, blocks = size.width, size.blocks
        self.res = nn.ModuleList(Residual(before if i == 0 else width, width, norm) for i in range(blocks))
        self.attn = nn.ModuleList(Attention(width, norm) for _ in range(blocks if size.attention else 0))
        # The released files name the resampling by its direction.
        self.downsample = resample(width) if resample is Downsample else None
        self.upsample = resample(width) if resample is Upsample else None

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        for index, block in enumerate(self.res):
            x = block(x, *conditions)
            if self.attn:
                x = self.attn[index](x, *conditions)
        resample = self.downsample or self.upsample
        return x if resample is None else resample(x)


class Middle(nn.Sequential):
    """Two residual blocks at the smallest sides, with attention between them or without."""

    def __init__(self, width: int, norm: Norm, attention: bool) -> None:
        between = Attention(width, norm) if attention else nn.Identity()
        super().__init__(Residual(width, width, norm), between, Residual(width, width, norm))

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        first, between, last = self
        x = first(x, *conditions)
        if isinstance(between, Attention):
            x = between(x, *conditions)
        return last(x, *conditions)


class Residual(nn.Module):
    def __init__(self, before: int, after: int, norm: Norm) -> None:
        super().__init__()
        self.norm1 = norm(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.nin_shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        change = self.conv1(silu(self.norm1(x, *conditions)))
        return self.nin_shortcut(x) + self.conv2(silu(self.norm2(change, *conditions)))


class Attention(nn.Module):
    """Full self-attention over positions, with one head."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        self.norm = norm(width)
        self.q = nn.Conv2d(width, width, 1)
        self.k = nn.Conv2d(width, width, 1)
        self.v = nn.Conv2d(width, width, 1)
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        normed = self.norm(x, *conditions)
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
