"""Weight-only quantization: the backbone's linear layers in 8 or 4 bits, dequantized where they are multiplied.

Symmetric int8 with a scale per row, and asymmetric int4 with a scale and a minimum per ``GROUP`` columns, both rounded
to nearest. Activations keep their type. Small or sensitive parts are not quantized: embeddings, the output layer over
the text vocabulary, norms, encoders, visual tokenizers, adapters and heads.

A few rows of bfloat16 or float16 on the CPU are multiplied by PyTorch's own kernel; everything else is a plain product
with the dequantized weight, on any device.

torchao has these schemes too, as tensor subclasses; it would be a dependency for two plain modules.

N outputs    K inputs    M rows of activations
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

SCHEMES: Final = ("int8", "int4")

GROUP: Final = 32
"""Columns of a row that share a scale, in int4."""

_FEW = 8
"""Rows up to which PyTorch's int8 kernel is faster than a product with the dequantized weight."""


class Int8Linear(nn.Module):
    """x @ (codes · scale)ᵀ + bias, with codes int8 [N, K] and a scale [N]."""

    codes: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        scale = weight.float().abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        self.register_buffer("codes", (weight.float() / scale[:, None]).round_().clamp_(-127, 127).to(torch.int8))
        self.register_buffer("scale", scale.to(weight.dtype))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The dequantized weight [N, K]."""
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
    """x @ (codes · scale + minimum)ᵀ + bias: two codes per byte [N, K / 2], scale and minimum [N, K / GROUP, 1]."""

    codes: Tensor
    scale: Tensor
    minimum: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        groups = weight.float().reshape(len(weight), -1, GROUP)
        minimum, maximum = groups.amin(dim=2, keepdim=True), groups.amax(dim=2, keepdim=True)
        # Scale and minimum are rounded first, so that the codes compensate for it.
        scale = ((maximum - minimum) / 15).clamp(min=torch.finfo(weight.dtype).tiny).to(weight.dtype)
        minimum = minimum.to(weight.dtype)
        codes = ((groups - minimum.float()) / scale.float()).round_().clamp_(0, 15).to(torch.uint8).flatten(1)
        self.register_buffer("codes", codes[:, ::2] | codes[:, 1::2] << 4)
        self.register_buffer("scale", scale)
        self.register_buffer("minimum", minimum)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The dequantized weight [N, K]."""
        codes = torch.stack((self.codes & 15, self.codes >> 4), dim=-1).view(len(self.codes), -1, GROUP)
        return torch.addcmul(self.minimum, codes.to(self.scale.dtype), self.scale).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.to(x.dtype), self.bias)


def quantized(layer: nn.Linear, scheme: str) -> nn.Module:
    """The layer quantized by a scheme, one of ``SCHEMES``; the layer itself is not kept."""
    return Int8Linear(layer) if scheme == "int8" else Int4Linear(layer)


def quantizable(module: nn.Module, scheme: str, vocabulary: int) -> Iterator[tuple[str, nn.Linear]]:
    """The linear layers to quantize, by name: not the one over the vocabulary, and for int4 only those that fit."""
    for name, layer in module.named_modules():
        if type(layer) is not nn.Linear or layer.out_features == vocabulary:  # a subclass may do more than multiply
            continue
        if scheme == "int8" or layer.in_features % GROUP == 0:
            yield name, layer


def bytes_saved(layer: nn.Linear, scheme: str) -> int:
    """Bytes of memory that a layer saves when it is quantized."""
    rows, columns = layer.weight.shape
    number = layer.weight.element_size()
    if scheme == "int8":
        quantized_bytes = rows * columns + rows * number
    else:
        quantized_bytes = rows * columns // 2 + 2 * rows * columns // GROUP * number
    return rows * columns * number - quantized_bytes
