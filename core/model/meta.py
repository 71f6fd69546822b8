"""Shapes of results on the meta device, without torch's compiler.

Most operations compute their shapes there in Python, by functions that import the compiler when the first of them is
called. That takes longer than importing torch, and everything else that ``janiform check`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


def shapes_only(device: str | torch.device) -> AbstractContextManager[Any]:
    """A ``MetaShapes`` where the device is meta; nothing on other devices."""
    return MetaShapes() if torch.device(device).type == "meta" else nullcontext()


class _Dispatch:
    """The method of ``MetaShapes``, in a class of its own: torch wraps that of a mode's class to import the compiler."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = _result(func, args, kwargs)
        if result is None:
            result = func(*args, **kwargs)
        self.after(func, args, kwargs, result)
        return result

    def after(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Called with every operation and its result."""


class MetaShapes(_Dispatch, TorchDispatchMode):
    """Give operations on meta tensors results of the right shape and type; those without a rule run as in torch.

    Values are not filled in anywhere: random initialization and other operations in place do nothing.
    """


def _result(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result by a rule; None where there is none, or a tensor is not on the meta device."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    if not all(tensor.is_meta for tensor in tensors):
        return None
    rule = _rule(func)
    if rule is _pointwise:
        return _pointwise(func, args, kwargs, tensors)
    return None if rule is None else rule(*args, **kwargs)


@cache
def _rule(func: Any) -> Callable[..., Any] | None:
    if func in _RULES:
        return _RULES[func]
    name, mutable = func._schema.name, func._schema.is_mutable
    elementwise = torch.Tag.pointwise in func.tags or torch.Tag.nondeterministic_seeded in func.tags
    if mutable and name.endswith("_") and elementwise:
        return _in_place
    return _pointwise if torch.Tag.pointwise in func.tags and not mutable else None


def _in_place(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return tensor


def _pointwise(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]) -> Tensor | None:
    if not tensors or any(isinstance(value, (list, Tensor, torch.memory_format)) for value in kwargs.values()):
        return None
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))
    signature = tuple(
        (value.dtype, value.ndim) if isinstance(value, Tensor) else (type(value), value) for value in args
    )
    dtype = _dtype(func, signature, tuple(kwargs.items()))
    for tensor in tensors:  # the result is laid out in memory as its operands are
        if tensor.shape == shape:
            return torch.empty_like(tensor, dtype=dtype)
    return torch.empty(shape, dtype=dtype, device="meta")


@cache
def _dtype(func: Any, signature: tuple[tuple[Any, Any], ...], named: tuple[tuple[str, Any], ...]) -> torch.dtype:
    """The type of a pointwise operation's result, from single values on the CPU."""
    values = [
        torch.ones((1,) * rest, dtype=kind, device="cpu") if isinstance(kind, torch.dtype) else rest for kind, rest in signature
    ]
    result: Tensor = func(*values, **dict(named))
    return result.dtype


def _like(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return torch.empty_like(tensor)


def _summed(tensor: Tensor, dims: Any = None, keepdim: bool = False, **named: Any) -> Tensor:
    result: Tensor = aten.sum.dim_IntList(tensor, dims, keepdim, **named)
    return result


def _norm(tensor: Tensor, order: float = 2, dims: Any = None, keepdim: bool = False, **named: Any) -> Tensor:
    return _summed(tensor, dims, keepdim, **named)


def _layer_norm(tensor: Tensor, shape: list[int], *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    rows = tensor.new_empty((*tensor.shape[: -len(shape)], *(1 for _ in shape)))
    return torch.empty_like(tensor), rows, rows


def _group_norm(tensor: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    _, _, batch, _, _, groups, _ = rest
    sums = tensor.new_empty((batch, groups))
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta"), sums, sums


def _addmm(bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> Tensor:
    result: Tensor = aten.mm.default(left, right)
    return result


def _cat(tensors: Iterable[Tensor], dim: int = 0) -> Tensor | None:
    tensors = [tensor for tensor in tensors if tensor.shape != (0,)]
    kinds, ranks = {tensor.dtype for tensor in tensors}, {tensor.ndim for tensor in tensors}
    if len(kinds) != 1 or len(ranks) != 1 or not all(tensor.is_meta for tensor in tensors):
        return None
    first = tensors[0]
    shape = list(first.shape)
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return torch.empty(shape, dtype=first.dtype, device="meta")


def _stack(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    return _cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


def _nll_loss(logits: Tensor, target: Tensor, weight: Tensor | None, reduction: int, _: int) -> tuple[Tensor, Tensor]:
    return logits.new_empty(() if reduction else target.shape), logits.new_empty(())


def _resized(tensor: Tensor, size: list[int], *_: Any) -> Tensor:
    return tensor.new_empty((*tensor.shape[:2], *size))


def _arange(func: Any) -> Callable[..., Tensor | None]:
    def rule(*args: Any, **named: Any) -> Tensor | None:
        if torch.device(named.get("device") or "cpu").type != "meta":
            return None
        values: Tensor = func(*args, **{**named, "device": "cpu"})
        return torch.empty(values.shape, dtype=values.dtype, device="meta")

    return rule


_RULES: dict[Any, Callable[..., Any]] = {
    aten.addmm.default: _addmm,
    aten.arange.default: _arange(aten.arange.default),
    aten.arange.start: _arange(aten.arange.start),
    aten.arange.start_step: _arange(aten.arange.start_step),
    aten.cat.default: _cat,
    aten.stack.default: _stack,
    aten.mean.dim: _summed,
    aten.linalg_vector_norm.default: _norm,
    aten.native_group_norm.default: _group_norm,
    aten.native_layer_norm.default: _layer_norm,
    aten._log_softmax.default: _like,
    aten._safe_softmax.default: _like,
    aten._softmax.default: _like,
    aten.cumsum.default: _like,
    aten.floor_divide.default: _pointwise,
    aten.nll_loss_forward.default: _nll_loss,
    aten.upsample_bicubic2d.default: _resized,
    aten.upsample_bilinear2d.default: _resized,
    aten.roll.default: _like,
    aten.tril.default: _like,
}
