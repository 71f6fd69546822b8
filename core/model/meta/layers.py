"""Results of the layers of networks: products, convolutions, norms, embeddings, resizing, a loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .tensors import broadcast, floats, like, may_be_channels_last, new


def layer_norm(
    tensor: Tensor, shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor] | None:
    _check_parameters(tensor, weight, bias)
    rank = tensor.ndim - len(shape)
    if rank < 0 or not shape or list(tensor.shape[rank:]) != shape or not floats(tensor, weight, bias):
        return None
    if any(list(each.shape) != shape for each in (weight, bias) if each is not None):
        return None
    rows = [*tensor.shape[:rank], *(1 for _ in shape)]
    precise = torch.promote_types(tensor.dtype, torch.float32)
    return new(tensor.shape, tensor.dtype), new(rows, precise), new(rows, precise)


def group_norm(
    tensor: Tensor, weight: Tensor | None, bias: Tensor | None, batch: int, channels: int, *rest: Any
) -> tuple[Tensor, Tensor, Tensor] | None:
    _check_parameters(tensor, weight, bias)
    _, groups, _ = rest
    if tensor.shape[:2] != (batch, channels) or channels % groups or not floats(tensor, weight, bias):
        return None
    if any(each.shape != (channels,) for each in (weight, bias) if each is not None):
        return None
    sums = (batch, groups)
    return like(tensor, tensor.dtype), new(sums, tensor.dtype), new(sums, tensor.dtype)


def _check_parameters(tensor: Tensor, *parameters: Tensor | None) -> None:
    dtypes = {each.dtype for each in parameters if each is not None}
    if len(dtypes) > 1 or not dtypes <= {tensor.dtype, torch.float32}:
        raise RuntimeError(f"a norm of {tensor.dtype} expects weights of the same type or of float32")


def embedding(weight: Tensor, ids: Tensor, *_: Any, **__: Any) -> Tensor | None:
    if weight.ndim != 2 or ids.dtype not in (torch.int64, torch.int32):
        return None
    return new((*ids.shape, weight.shape[1]), weight.dtype)


def _matrix_product(left: Tensor, right: Tensor, **_: Any) -> Tensor | None:
    if left.dtype != right.dtype:
        raise RuntimeError(f"a matrix of {left.dtype} cannot be multiplied by one of {right.dtype}")
    if left.shape[-1] != right.shape[-2] or left.shape[:-2] != right.shape[:-2] or not floats(left):
        return None
    return new((*left.shape[:-1], right.shape[-1]), left.dtype)


def mm(left: Tensor, right: Tensor, **named: Any) -> Tensor | None:
    return _matrix_product(left, right, **named) if left.ndim == right.ndim == 2 else None


def bmm(left: Tensor, right: Tensor, **named: Any) -> Tensor | None:
    return _matrix_product(left, right, **named) if left.ndim == right.ndim == 3 else None


def addmm(bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> Tensor | None:
    product = mm(left, right)
    if bias.dtype != left.dtype:
        raise RuntimeError(f"a bias of {bias.dtype} cannot be added to a product of {left.dtype}")
    if product is not None and broadcast([bias.shape, product.shape]) != product.shape:
        raise RuntimeError(f"a bias of {list(bias.shape)} does not fit a product of {list(product.shape)}")
    return product


def convolution(pixels: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor | None:
    stride, padding, dilation, transposed, _, groups = settings
    space = weight.ndim - 2
    if pixels.ndim != weight.ndim or any(len(each) != space for each in (stride, padding, dilation)):
        raise RuntimeError(f"a kernel of {list(weight.shape)} does not fit {list(pixels.shape)}")
    if transposed:
        return None
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"a bias of {list(bias.shape)} does not fit {weight.shape[0]} output channels")
    if not floats(pixels, weight, bias):
        raise RuntimeError("pixels, weights and bias of a convolution must have one floating-point type")
    if pixels.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise RuntimeError(f"{pixels.shape[1]} channels in {groups} groups do not fit a kernel of {list(weight.shape)}")
    if min(*stride, *dilation) < 1:
        return None
    each = zip(pixels.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    outputs = [(size + 2 * pad - step * (width - 1) - 1) // pace + 1 for size, width, pace, pad, step in each]
    if min(*outputs, *padding) < 0 or 0 in outputs:
        return None
    return new((pixels.shape[0], weight.shape[0], *outputs), pixels.dtype)


def resized(tensor: Tensor, size: list[int], *_: Any) -> Tensor | None:
    if tensor.ndim != 4 or len(size) != 2 or min(size) < 1:
        raise RuntimeError(f"pictures of {list(tensor.shape)} cannot be resized to {size}")
    channels, height, width = tensor.shape[1:]
    channels_last = tensor.stride() == (height * width * channels, 1, width * channels, channels)
    if not floats(tensor) or 1 in tensor.shape[1:] or (may_be_channels_last(tensor) and not channels_last):
        return None
    result = new((*tensor.shape[:2], *size), tensor.dtype)
    return result.to(memory_format=torch.channels_last) if channels_last else result


def nll_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None, reduction: int, _: int
) -> tuple[Tensor, Tensor] | None:
    if weight is not None and weight.dtype != logits.dtype:
        raise RuntimeError(f"class weights of {weight.dtype} do not fit logits of {logits.dtype}")
    if logits.ndim != 2 or target.shape != logits.shape[:1] or target.dtype != torch.int64 or weight is not None:
        return None
    return new(() if reduction else target.shape, logits.dtype), new((), logits.dtype)
