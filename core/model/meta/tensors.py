"""Results on the meta device: their making, their strides, and checks of operands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def new(shape: Sequence[int], dtype: torch.dtype | None) -> Tensor:
    """An empty tensor on the meta device, contiguous."""
    return torch.empty(shape, dtype=dtype, device="meta")


def like(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """An empty tensor of a type, in the layout that a pointwise result of the tensor has."""
    return torch.empty_strided(tensor.shape, layout(tuple(tensor.shape), [tensor]), dtype=dtype, device="meta")


def layout(shape: tuple[int, ...], tensors: list[Tensor]) -> list[int]:
    """The strides of a pointwise result: its dimensions are in memory in the order of the first operand that tells.

    As in ``torch._prims_common.compute_elementwise_output_strides``.
    """
    order = list(reversed(range(len(shape))))
    if not all(tensor.shape == shape and tensor.is_contiguous() for tensor in tensors):
        strides = [tensor.expand(shape).stride() for tensor in tensors]
        for last in range(1, len(order)):
            moved = last
            for other in reversed(range(last)):
                compared = _compared(order[other], order[moved], shape, strides)
                if compared < 0:
                    break
                if compared > 0:
                    order[other], order[moved] = order[moved], order[other]
                    moved = other
    result, size = [0] * len(shape), 1
    for dim in order:
        result[dim], size = size, size * shape[dim]
    return result


def _compared(inner: int, outer: int, shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> int:
    """Negative where ``inner`` has the smaller stride, positive where ``outer`` has, 0 where no operand tells."""
    for each in strides:
        if each[inner] == 0 or each[outer] == 0:
            continue
        if each[inner] != each[outer]:
            return each[inner] - each[outer]
        if shape[inner] > shape[outer]:
            return 1
    return 0


def broadcast(shapes: list[torch.Size]) -> tuple[int, ...] | None:
    """As ``torch.broadcast_shapes``, which imports a library for symbolic mathematics; None where shapes do not fit."""
    if all(shape == shapes[0] for shape in shapes):
        return tuple(shapes[0])
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    sizes = [set(column) - {1} for column in columns]
    return None if any(len(column) > 1 for column in sizes) else tuple(next(iter(column), 1) for column in sizes)


def writable(tensor: Tensor) -> Tensor:
    """The tensor, to which an operation writes. Raises ``RuntimeError`` where its elements share memory."""
    if any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)):
        raise RuntimeError("a tensor whose elements share memory cannot be written to; clone it first")
    return tensor


def floats(*tensors: Tensor | None) -> bool:
    """Whether tensors, where given, have one and the same ordinary type of floating-point numbers."""
    dtypes = {tensor.dtype for tensor in tensors if tensor is not None}
    return len(dtypes) == 1 and dtypes <= {torch.float64, torch.float32, torch.bfloat16, torch.float16}


def is_dim(dim: int, rank: int) -> bool:
    """Whether a tensor of a rank has the dimension, which may be counted from the end."""
    return -rank <= dim < rank


def may_be_channels_last(tensor: Tensor) -> bool:
    """Whether a tensor may be in channels-last order, which some results keep."""
    if tensor.ndim not in (4, 5) or tensor.is_contiguous():
        return False
    return tensor.shape[1] == 1 or tensor.stride(1) <= min(tensor.stride())
