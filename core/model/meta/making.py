"""Results of operations that make tensors, from numbers or from other tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .tensors import is_dim, like, may_be_channels_last, new


def from_numbers(func: Any) -> Callable[..., Tensor | None]:
    """The rule for functions that make small tensors out of numbers: their shape and type from the CPU."""

    def rule(*args: Any, **named: Any) -> Tensor | None:
        if torch.device(named.get("device") or "cpu").type != "meta":
            return None
        values: Tensor = func(*args, **{**named, "device": torch.device("cpu")})
        return new(values.shape, values.dtype)

    return rule


def random(size: list[int], *, dtype: torch.dtype | None = None, **named: Any) -> Tensor | None:
    if torch.device(named.get("device") or "cpu").type != "meta" or not (dtype or torch.float32).is_floating_point:
        return None
    return new(size, dtype)


def filled_like(tensor: Tensor, value: float, *, dtype: torch.dtype | None = None, **named: Any) -> Tensor | None:
    if torch.device(named.get("device") or "meta").type != "meta" or named.get("memory_format") is not None:
        return None
    return like(tensor, dtype or tensor.dtype)


def cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0] if tensors else None
    if first is None or not is_dim(dim, first.ndim) or any(map(may_be_channels_last, tensors)):
        return None
    if any(not each.is_meta or not each.numel() or each.dtype != first.dtype for each in tensors):
        return None
    shape = list(first.shape)
    shape[dim] = 0
    for each in tensors:
        if each.ndim != first.ndim or any(a != b for a, b in zip(each.shape, shape, strict=True) if b):
            return None
    shape[dim] = sum(each.shape[dim] for each in tensors)
    return new(shape, first.dtype)


def stack(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    if not tensors or not is_dim(dim, tensors[0].ndim + 1) or any(each.shape != tensors[0].shape for each in tensors):
        return None
    return cat([each.unsqueeze(dim) for each in tensors], dim)


def roll(tensor: Tensor, shifts: list[int], dims: Sequence[int] = ()) -> Tensor | None:
    fits = len(shifts) == len(dims) and all(is_dim(dim, tensor.ndim) for dim in dims)
    return new(tensor.shape, tensor.dtype) if fits else None


def triangle(tensor: Tensor, diagonal: int = 0) -> Tensor | None:
    return new(tensor.shape, tensor.dtype) if tensor.ndim >= 2 else None
