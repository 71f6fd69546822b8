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
    """The method of ``MetaShapes``. Where the class of a mode defines it itself, torch makes it import the compiler."""

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


class MetaShapes(_Dispatch, TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class has no types
    """Give operations on meta tensors results of the right shape and type; those without a rule run as in torch.

    Values are not filled in anywhere: random initialization and other operations in place do nothing.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]


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
    if any(isinstance(value, list) for value in args):
        return None
    if not tensors or any(isinstance(value, (list, Tensor, torch.memory_format)) for value in kwargs.values()):
        return None
    shape = _broadcast([tensor.shape for tensor in tensors])
    signature = tuple(
        (value.dtype, value.ndim) if isinstance(value, Tensor) else (type(value), value) for value in args
    )
    dtype = _dtype(func, signature, tuple(kwargs.items()))
    for tensor in tensors:  # the result is laid out in memory as its operands are
        if tensor.shape == shape and 0 not in tensor.stride():
            return torch.empty_strided(shape, tensor.stride(), dtype=dtype, device="meta")
    return torch.empty(shape, dtype=dtype, device="meta")


def _broadcast(shapes: list[torch.Size]) -> tuple[int, ...]:
    """As ``torch.broadcast_shapes``, which imports a library for symbolic mathematics."""
    if all(shape == shapes[0] for shape in shapes):
        return tuple(shapes[0])
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    sizes = [set(column) - {1} for column in columns]
    if any(len(column) > 1 for column in sizes):
        raise RuntimeError(f"shapes {', '.join(str(list(shape)) for shape in shapes)} cannot be broadcast")
    return tuple(next(iter(column), 1) for column in sizes)


@cache
def _dtype(func: Any, signature: tuple[tuple[Any, Any], ...], named: tuple[tuple[str, Any], ...]) -> torch.dtype:
    """The type of a pointwise operation's result, from single values on the CPU."""
    values = [
        torch.ones((1,) * rest, dtype=kind, device="cpu") if isinstance(kind, torch.dtype) else rest
        for kind, rest in signature
    ]
    result: Tensor = func(*values, **dict(named))
    return result.dtype


def _like(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def _softmax(tensor: Tensor, dim: int, kind: torch.dtype | bool | None = None) -> Tensor | None:
    return None if kind else _like(tensor)  # a result of another type than its operand is left to torch


def _cumsum(tensor: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    kind = dtype or (tensor.dtype if tensor.is_floating_point() else torch.int64)
    return torch.empty(tensor.shape, dtype=kind, device="meta")


def _filled_like(tensor: Tensor, value: float, *, dtype: torch.dtype | None = None, **named: Any) -> Tensor | None:
    if torch.device(named.get("device") or "meta").type != "meta":
        return None
    return torch.empty(tensor.shape, dtype=dtype or tensor.dtype, device="meta")


def _reduced(tensor: Tensor, dims: list[int] | None = None, keepdim: bool = False, **named: Any) -> Tensor:
    over = {dim % tensor.ndim for dim in (dims or range(tensor.ndim))}
    sizes = [1 if dim in over else size for dim, size in enumerate(tensor.shape) if keepdim or dim not in over]
    dtype = named.get("dtype") or (tensor.dtype if tensor.is_floating_point() else torch.int64)
    return tensor.new_empty(sizes, dtype=dtype)


def _norm(tensor: Tensor, order: float = 2, dims: Any = None, keepdim: bool = False, **named: Any) -> Tensor:
    return _reduced(tensor, dims, keepdim, **named)


def _argmin(tensor: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    return _reduced(tensor, None if dim is None else [dim], keepdim, dtype=torch.int64)


def _layer_norm(tensor: Tensor, shape: list[int], *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    rows = tensor.new_empty((*tensor.shape[: -len(shape)], *(1 for _ in shape)))
    return _like(tensor), rows, rows


def _group_norm(tensor: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    _, _, batch, _, _, groups, _ = rest
    sums = tensor.new_empty((batch, groups))
    return _like(tensor), sums, sums


def _embedding(weight: Tensor, ids: Tensor, *_: Any, **__: Any) -> Tensor:
    return weight.new_empty((*ids.shape, weight.shape[1]))


def _matrix_product(left: Tensor, right: Tensor, **_: Any) -> Tensor:
    if left.shape[-1] != right.shape[-2] or left.dtype != right.dtype:
        raise RuntimeError(f"{left.dtype} {list(left.shape)} cannot be multiplied by {right.dtype} {list(right.shape)}")
    return left.new_empty((*left.shape[:-1], right.shape[-1]))


def _addmm(bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> Tensor:
    return _matrix_product(left, right)


def _convolution(pixels: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor | None:
    stride, padding, dilation, transposed, _, groups = settings
    if transposed:
        return None
    sizes, kernel = pixels.shape[2:], weight.shape[2:]
    if pixels.shape[1] != weight.shape[1] * groups or pixels.dtype != weight.dtype:
        raise RuntimeError(f"{pixels.shape[1]} channels do not fit a convolution of {weight.shape[1] * groups}")
    each = zip(sizes, kernel, stride, padding, dilation, strict=True)
    outputs = [(size + 2 * pad - step * (width - 1) - 1) // pace + 1 for size, width, pace, pad, step in each]
    return pixels.new_empty((pixels.shape[0], weight.shape[0], *outputs))


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


def _new(func: Any) -> Callable[..., Tensor | None]:
    """The rule for functions that make small tensors out of numbers: their shape and type from the CPU."""

    def rule(*args: Any, **named: Any) -> Tensor | None:
        if torch.device(named.get("device") or "cpu").type != "meta":
            return None
        values: Tensor = func(*args, **{**named, "device": torch.device("cpu")})
        return torch.empty(values.shape, dtype=values.dtype, device="meta")

    return rule


def _random(size: list[int], **named: Any) -> Tensor | None:
    if torch.device(named.get("device") or "cpu").type != "meta":
        return None
    return torch.empty(size, dtype=named.get("dtype"), device="meta")


_RULES: dict[Any, Callable[..., Any]] = {
    aten.addmm.default: _addmm,
    aten.arange.default: _new(aten.arange.default),
    aten.arange.start: _new(aten.arange.start),
    aten.arange.start_step: _new(aten.arange.start_step),
    aten.argmax.default: _argmin,
    aten.argmin.default: _argmin,
    aten.bmm.default: _matrix_product,
    aten.cat.default: _cat,
    aten.convolution.default: _convolution,
    aten.cumsum.default: _cumsum,
    aten.embedding.default: _embedding,
    aten.floor_divide.default: _pointwise,
    aten.full_like.default: _filled_like,
    aten.linalg_vector_norm.default: _norm,
    aten.linspace.default: _new(aten.linspace.default),
    aten._log_softmax.default: _softmax,
    aten.mean.dim: _reduced,
    aten.mm.default: _matrix_product,
    aten.native_group_norm.default: _group_norm,
    aten.native_layer_norm.default: _layer_norm,
    aten.nll_loss_forward.default: _nll_loss,
    aten.rand.default: _random,
    aten.randn.default: _random,
    aten.roll.default: _like,
    aten._safe_softmax.default: _softmax,
    aten._softmax.default: _softmax,
    aten.stack.default: _stack,
    aten.sum.default: _reduced,
    aten.sum.dim_IntList: _reduced,
    aten.tril.default: _like,
    aten.upsample_bicubic2d.default: _resized,
    aten._upsample_bicubic2d_aa.default: _resized,
    aten.upsample_bilinear2d.default: _resized,
    aten.upsample_nearest2d.default: _resized,
}
