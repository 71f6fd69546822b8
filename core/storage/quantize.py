"""Weight-only quantisation: the backbone's linear layers in 8 or 4 bits, widened where they are multiplied.

Symmetric int8 with a scale for every row, and asymmetric int4 with a scale and a least value for every ``GROUP``
columns, both rounded to nearest. Activations stay as they are. What is small or sensitive stays whole: embeddings, the
output layer over the text vocabulary, norms, encoders, visual tokenizers, adapters and heads.

The kernel for few rows of bfloat16 and float16 on the CPU is PyTorch's own; everything else is a plain product with the
widened weight, on any device.

N outputs    K inputs    M rows of activations
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

WAYS: Final = ("int8", "int4")

GROUP: Final = 32
"""Columns of a row that share one scale, in int4."""

_FEW = 8
"""Rows up to which PyTorch's int8 kernel is faster than a widened product."""


class Int8Linear(nn.Module):
    """x @ (codes · scale)ᵀ + bias, with codes int8 [N, K] and a scale [N]."""

    codes: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, whole: nn.Linear) -> None:
        super().__init__()
        weight = whole.weight.detach()
        scale = weight.float().abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        self.register_buffer("codes", (weight.float() / scale[:, None]).round_().clamp_(-127, 127).to(torch.int8))
        self.register_buffer("scale", scale.to(weight.dtype))
        self.register_buffer("bias", None if whole.bias is None else whole.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The widened weight [N, K]."""
        return self.codes.to(self.scale.dtype) * self.scale[:, None]

    def forward(self, x: Tensor) -> Tensor:
        few = x.dtype in (torch.bfloat16, torch.float16) and x.numel() <= _FEW * x.shape[-1]
        if few and x.device.type == "cpu" and x.dtype == self.scale.dtype:
            y = torch._weight_int8pack_mm(x.reshape(-1, x.shape[-1]), self.codes, self.scale)
            y = y.view(*x.shape[:-1], -1)
        else:
            y = linear(x, self.codes.to(x.dtype)) * self.scale
        return y if self.bias is None else y + self.bias


class Int4Linear(nn.Module):
    """x @ (codes · scale + least)ᵀ + bias: two codes a byte [N, K / 2], scale and least value [N, K / GROUP, 1]."""

    codes: Tensor
    scale: Tensor
    least: Tensor
    bias: Tensor | None

    def __init__(self, whole: nn.Linear) -> None:
        super().__init__()
        weight = whole.weight.detach()
        groups = weight.float().reshape(len(weight), -1, GROUP)
        least, most = groups.amin(dim=2, keepdim=True), groups.amax(dim=2, keepdim=True)
        # Scale and least value are rounded first, so that the codes make up for it.
        scale = ((most - least) / 15).clamp(min=torch.finfo(weight.dtype).tiny).to(weight.dtype)
        least = least.to(weight.dtype)
        codes = ((groups - least.float()) / scale.float()).round_().clamp_(0, 15).to(torch.uint8).flatten(1)
        self.register_buffer("codes", codes[:, ::2] | codes[:, 1::2] << 4)
        self.register_buffer("scale", scale)
        self.register_buffer("least", least)
        self.register_buffer("bias", None if whole.bias is None else whole.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The widened weight [N, K]."""
        codes = torch.stack((self.codes & 15, self.codes >> 4), dim=-1).view(len(self.codes), -1, GROUP)
        return torch.addcmul(self.least, codes.to(self.scale.dtype), self.scale).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.to(x.dtype), self.bias)


def quantized(layer: nn.Linear, way: str) -> nn.Module:
    """The layer in the quantised form that ``way`` names, one of ``WAYS``; the layer itself is not kept."""
    return Int8Linear(layer) if way == "int8" else Int4Linear(layer)


def quantizable(module: nn.Module, way: str, vocabulary: int) -> Iterator[tuple[str, nn.Linear]]:
    """The linear layers that are quantised, by name: not those over the vocabulary, nor of an odd width."""
    for name, layer in module.named_modules():
        if type(layer) is not nn.Linear or layer.out_features == vocabulary:  # a subclass may do more than multiply
            continue
        if way == "int8" or layer.in_features % GROUP == 0:
            yield name, layer


def bytes_saved(layer: nn.Linear, way: str) -> int:
    """How much less memory a layer takes when it is quantised."""
    rows, columns = layer.weight.shape
    number = layer.weight.element_size()
    kept = (
        rows * columns + rows * number if way == "int8" else rows * columns // 2 + 2 * rows * columns // GROUP * number
    )
    return prod(layer.weight.shape) * number - kept
