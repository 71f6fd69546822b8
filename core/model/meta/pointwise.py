"""Results of operations that compute every element alone, new ones and those in place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .tensors import broadcast, floats, layout, writable


def pointwise(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]) -> Tensor | None:
    """The result of an operation on broadcast operands; None where the shapes or types do not surely fit."""
    if not tensors or any(isinstance(value, (Tensor, torch.memory_format)) for value in kwargs.values()):
        return None
    shape, dtype = broadcast([tensor.shape for tensor in tensors]), _dtype(func, args, kwargs)
    if shape is None or dtype is None:
        return None
    return torch.empty_strided(shape, layout(shape, tensors), dtype=dtype, device="meta")


def in_place(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]) -> Tensor | None:
    """The first operand, where all others fit into it; else None."""
    target: Tensor = args[0]
    if broadcast([tensor.shape for tensor in tensors]) != target.shape or _dtype(func, args, kwargs) is None:
        return None
    return writable(target)


def _dtype(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.dtype | None:
    """The type of a pointwise operation's result; None where it takes a list or gives several results."""
    if any(isinstance(value, (list, torch.Generator)) for value in (*args, *kwargs.values())):
        return None
    operands = tuple(map(_operand, args))
    return _dtype_of(func, operands, tuple((name, *_operand(value)) for name, value in kwargs.items()))


def _operand(value: Any) -> tuple[Any, ...]:
    return (Tensor, value.dtype, value.ndim) if isinstance(value, Tensor) else (type(value), value)


@cache
def _dtype_of(func: Any, operands: tuple[Any, ...], named: tuple[Any, ...]) -> torch.dtype | None:
    """From single values on the CPU, where torch raises what it raises for such operands."""
    values = [
        torch.ones((1,) * rest[1], dtype=rest[0], device="cpu") if kind is Tensor else rest[0]
        for kind, *rest in operands
    ]
    try:
        result = func(*values, **{name: value for name, _, value in named})
    except NotImplementedError:  # a type that the CPU has no code for
        return None
    return result.dtype if isinstance(result, Tensor) else None


def normal(tensor: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor | None:
    return writable(tensor) if floats(tensor) and std >= 0 else None


def uniform(tensor: Tensor, low: float = 0, high: float = 1, *, generator: Any = None) -> Tensor | None:
    if not floats(tensor):
        return None
    if not -torch.finfo(tensor.dtype).max <= low <= high <= low + torch.finfo(tensor.dtype).max:
        raise RuntimeError(f"uniform_ expects low <= high, within the range of {tensor.dtype}; got {low} and {high}")
    return writable(tensor)
