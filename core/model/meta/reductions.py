"""Results of operations along dimensions: sums, means, norms, softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .tensors import floats, is_dim, new


def softmax(tensor: Tensor, dim: int, to_float: torch.dtype | bool | None = None) -> Tensor | None:
    if not tensor.is_floating_point() or not is_dim(dim, max(tensor.ndim, 1)):
        raise RuntimeError(f"softmax of {tensor.dtype} {list(tensor.shape)} over dimension {dim} is not possible")
    if to_float or not floats(tensor):
        return None
    return new(tensor.shape, tensor.dtype)


def cumsum(tensor: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor | None:
    if dtype is not None or not is_dim(dim, tensor.ndim):
        return None
    return new(tensor.shape, _summed(tensor))


def mean(tensor: Tensor, dims: list[int] | None, keepdim: bool = False, **named: Any) -> Tensor | None:
    return None if named or not floats(tensor) else _reduced(tensor, dims, keepdim, tensor.dtype)


def total(tensor: Tensor, dims: list[int] | None, keepdim: bool = False, **named: Any) -> Tensor | None:
    return None if named else _reduced(tensor, dims, keepdim, _summed(tensor))


def _summed(tensor: Tensor) -> torch.dtype:
    return tensor.dtype if tensor.is_floating_point() or tensor.is_complex() else torch.int64


def norm(tensor: Tensor, order: float = 2, dims: Any = None, keepdim: bool = False, **named: Any) -> Tensor | None:
    if dims and len({dim % max(tensor.ndim, 1) for dim in dims}) != len(dims):
        raise RuntimeError(f"the norm is over a dimension twice: {dims}")
    return None if named or not floats(tensor) else _reduced(tensor, dims, keepdim, tensor.dtype)


def argmin(tensor: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | None:
    if tensor.dtype == torch.bool:
        raise RuntimeError("argmin and argmax expect numbers; got booleans")
    return _reduced(tensor, None if dim is None else [dim], keepdim, torch.int64)


def _reduced(tensor: Tensor, dims: list[int] | None, keepdim: bool, dtype: torch.dtype) -> Tensor | None:
    if tensor.ndim == 0 or dims == [] or not all(is_dim(dim, tensor.ndim) for dim in dims or ()):
        return None
    over = {dim % tensor.ndim for dim in (range(tensor.ndim) if dims is None else dims)}
    if dims is not None and len(over) != len(dims):
        return None
    sizes = [1 if dim in over else size for dim, size in enumerate(tensor.shape) if keepdim or dim not in over]
    return new(sizes, dtype)
