"""Taming's published encoder and decoder, one operation after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, interpolate, pad


class PublishedVqgan:
    """A VQGAN of tensors by their names in taming-transformers, which it uses up: ``left`` are those not used yet.

    ``encoder`` and ``decoder`` are the numbers of residual blocks by level, and ``sides`` the levels' sides, the
    largest first; levels whose sides are ``attended`` have attention after each block.
    """

    def __init__(
        self,
        tensors: dict[str, Tensor],
        *,
        encoder: Sequence[int] = (),
        decoder: Sequence[int] = (),
        sides: Sequence[int] = (),
        attended: Collection[int] = (),
    ) -> None:
        self.left = dict(tensors)
        self.blocks = {"encoder": encoder, "decoder": decoder}
        self.sides, self.attended = sides, attended

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] to what the first convolution around the codebook reads."""
        x = self.conv("encoder.conv_in", pixels)
        count = len(self.blocks["encoder"])
        for level in range(count):
            x = self.level("encoder.down", level, x)
            if level < count - 1:
                name = f"encoder.down.{level}.downsample.conv"
                x = conv2d(
                    pad(x, (0, 1, 0, 1)), self.left.pop(f"{name}.weight"), self.left.pop(f"{name}.bias"), stride=2
                )
        x = self.middle("encoder.mid", x)
        return self.conv("encoder.conv_out", swish(self.norm("encoder.norm_out", x)))

    def decode(self, vectors: Tensor, around: str = "post_quant_conv") -> Tensor:
        """Vectors [B, D, h, w] of codes to pixels. ``around``: the name of the convolution after the codebook."""
        x = self.middle("decoder.mid", self.conv("decoder.conv_in", self.conv(around, vectors)))
        for level in reversed(range(len(self.blocks["decoder"]))):
            x = self.level("decoder.up", level, x)
            if level:
                x = self.conv(f"decoder.up.{level}.upsample.conv", interpolate(x, scale_factor=2.0))
        return self.conv("decoder.conv_out", swish(self.norm("decoder.norm_out", x)))

    def level(self, name: str, level: int, x: Tensor) -> Tensor:
        for block in range(self.blocks[name.split(".")[0]][level]):
            x = self.residual(f"{name}.{level}.block.{block}", x)
            if self.sides and self.sides[level] in self.attended:
                x = self.attention(f"{name}.{level}.attn.{block}", x)
        return x

    def middle(self, name: str, x: Tensor) -> Tensor:
        x = self.attention(f"{name}.attn_1", self.residual(f"{name}.block_1", x))
        return self.residual(f"{name}.block_2", x)

    def conv(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.left.pop(f"{name}.weight"), self.left.pop(f"{name}.bias")
        return conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def norm(self, name: str, x: Tensor) -> Tensor:
        return group_norm(x, 32, self.left.pop(f"{name}.weight"), self.left.pop(f"{name}.bias"), eps=1e-6)

    def residual(self, name: str, x: Tensor) -> Tensor:
        change = self.conv(f"{name}.conv1", swish(self.norm(f"{name}.norm1", x)))
        change = self.conv(f"{name}.conv2", swish(self.norm(f"{name}.norm2", change)))
        return change + (self.conv(f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in self.left else x)

    def attention(self, name: str, x: Tensor) -> Tensor:
        normed = self.norm(f"{name}.norm", x)
        q, k, v = (self.conv(f"{name}.{letter}", normed).flatten(2) for letter in "qkv")
        weights = torch.einsum("bci,bcj->bij", q, k).mul(q.shape[1] ** -0.5).softmax(dim=-1)
        return x + self.conv(f"{name}.proj_out", torch.einsum("bij,bcj->bci", weights, v).view_as(x))


def swish(x: Tensor) -> Tensor:
    return x * x.sigmoid()
