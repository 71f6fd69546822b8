"""Shapes of results on the meta device, without torch's compiler.

Most operations compute their shapes there in Python, by functions that import the compiler when the first of them is
called. That takes longer than importing torch, and everything else that ``janiform check`` does.

A rule here answers only for operands that surely fit: ordinary types, sizes that agree, no empty tensors. It returns
None for all others, and torch itself then gives the result or refuses the call. Some calls that torch accepts on the
meta device and refuses everywhere else are refused here, as products of two types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Give operations on meta tensors results of the right shape, type and layout; those without a rule run in torch.

    Values are not filled in anywhere: random initialization and other operations in place do nothing.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]


def _result(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result by a rule; None where there is none, or a tensor is empty or not on the meta device."""
    rule = _rule(func)
    if rule is None:
        return None
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    if not all(tensor.is_meta and tensor.numel() for tensor in tensors):
        return None
    if rule is _pointwise:
        return _pointwise(func, args, kwargs, tensors)
    if rule is _in_place:
        return _in_place(func, args, kwargs, tensors)
    return rule(*args, **kwargs)


@cache
def _rule(func: Any) -> Callable[..., Any] | None:
    if func in _RULES:
        return _RULES[func]
    if torch.Tag.pointwise not in func.tags or torch.Tag.nondeterministic_seeded in func.tags:
        return None
    if not func._schema.is_mutable:
        return _pointwise
    return _in_place if func._schema.name.endswith("_") else None


def _in_place(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]) -> Tensor | None:
    target: Tensor = args[0]
    if _broadcast([tensor.shape for tensor in tensors]) != target.shape or _dtype(func, args, kwargs) is None:
        return None
    return _writable(target)


def _writable(tensor: Tensor) -> Tensor:
    if any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)):
        raise RuntimeError("a tensor whose elements share memory cannot be written to; clone it first")
    return tensor


def _normal(tensor: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor | None:
    return _writable(tensor) if _floats(tensor) and std >= 0 else None


def _uniform(tensor: Tensor, low: float = 0, high: float = 1, *, generator: Any = None) -> Tensor | None:
    if not _floats(tensor):
        return None
    if not -torch.finfo(tensor.dtype).max <= low <= high <= low + torch.finfo(tensor.dtype).max:
        raise RuntimeError(f"uniform_ expects low <= high, within the range of {tensor.dtype}; got {low} and {high}")
    return _writable(tensor)


def _pointwise(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]) -> Tensor | None:
    if not tensors or any(isinstance(value, (Tensor, torch.memory_format)) for value in kwargs.values()):
        return None
    shape, dtype = _broadcast([tensor.shape for tensor in tensors]), _dtype(func, args, kwargs)
    if shape is None or dtype is None:
        return None
    return torch.empty_strided(shape, _layout(shape, tensors), dtype=dtype, device="meta")


def _broadcast(shapes: list[torch.Size]) -> tuple[int, ...] | None:
    """As ``torch.broadcast_shapes``, which imports a library for symbolic mathematics; None where shapes do not fit."""
    if all(shape == shapes[0] for shape in shapes):
        return tuple(shapes[0])
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    sizes = [set(column) - {1} for column in columns]
    return None if any(len(column) > 1 for column in sizes) else tuple(next(iter(column), 1) for column in sizes)


def _layout(shape: tuple[int, ...], tensors: list[Tensor]) -> list[int]:
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


def _floats(*tensors: Tensor | None) -> bool:
    """Whether tensors, where given, have one and the same ordinary type of floating-point numbers."""
    dtypes = {tensor.dtype for tensor in tensors if tensor is not None}
    return len(dtypes) == 1 and dtypes <= {torch.float64, torch.float32, torch.bfloat16, torch.float16}


def _new(shape: Sequence[int], dtype: torch.dtype | None) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _like(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty_strided(tensor.shape, _layout(tuple(tensor.shape), [tensor]), dtype=dtype, device="meta")


def _is_dim(dim: int, rank: int) -> bool:
    return -rank <= dim < rank


def _may_be_channels_last(tensor: Tensor) -> bool:
    """Whether a tensor may be in channels-last order, which some results keep."""
    if tensor.ndim not in (4, 5) or tensor.is_contiguous():
        return False
    return tensor.shape[1] == 1 or tensor.stride(1) <= min(tensor.stride())


def _softmax(tensor: Tensor, dim: int, to_float: torch.dtype | bool | None = None) -> Tensor | None:
    if not tensor.is_floating_point() or not _is_dim(dim, max(tensor.ndim, 1)):
        raise RuntimeError(f"softmax of {tensor.dtype} {list(tensor.shape)} over dimension {dim} is not possible")
    if to_float or not _floats(tensor):
        return None
    return _new(tensor.shape, tensor.dtype)


def _cumsum(tensor: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor | None:
    if dtype is not None or not _is_dim(dim, tensor.ndim):
        return None
    return _new(tensor.shape, _summed(tensor))


def _roll(tensor: Tensor, shifts: list[int], dims: Sequence[int] = ()) -> Tensor | None:
    fits = len(shifts) == len(dims) and all(_is_dim(dim, tensor.ndim) for dim in dims)
    return _new(tensor.shape, tensor.dtype) if fits else None


def _triangle(tensor: Tensor, diagonal: int = 0) -> Tensor | None:
    return _new(tensor.shape, tensor.dtype) if tensor.ndim >= 2 else None


def _filled_like(tensor: Tensor, value: float, *, dtype: torch.dtype | None = None, **named: Any) -> Tensor | None:
    if torch.device(named.get("device") or "meta").type != "meta" or named.get("memory_format") is not None:
        return None
    return _like(tensor, dtype or tensor.dtype)


def _mean(tensor: Tensor, dims: list[int] | None, keepdim: bool = False, **named: Any) -> Tensor | None:
    return None if named or not _floats(tensor) else _reduced(tensor, dims, keepdim, tensor.dtype)


def _sum(tensor: Tensor, dims: list[int] | None, keepdim: bool = False, **named: Any) -> Tensor | None:
    return None if named else _reduced(tensor, dims, keepdim, _summed(tensor))


def _summed(tensor: Tensor) -> torch.dtype:
    return tensor.dtype if tensor.is_floating_point() or tensor.is_complex() else torch.int64


def _norm(tensor: Tensor, order: float = 2, dims: Any = None, keepdim: bool = False, **named: Any) -> Tensor | None:
    if dims and len({dim % max(tensor.ndim, 1) for dim in dims}) != len(dims):
        raise RuntimeError(f"the norm is over a dimension twice: {dims}")
    return None if named or not _floats(tensor) else _reduced(tensor, dims, keepdim, tensor.dtype)


def _argmin(tensor: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | None:
    if tensor.dtype == torch.bool:
        raise RuntimeError("argmin and argmax expect numbers; got booleans")
    return _reduced(tensor, None if dim is None else [dim], keepdim, torch.int64)


def _reduced(tensor: Tensor, dims: list[int] | None, keepdim: bool, dtype: torch.dtype) -> Tensor | None:
    if tensor.ndim == 0 or dims == [] or not all(_is_dim(dim, tensor.ndim) for dim in dims or ()):
        return None
    over = {dim % tensor.ndim for dim in (range(tensor.ndim) if dims is None else dims)}
    if dims is not None and len(over) != len(dims):
        return None
    sizes = [1 if dim in over else size for dim, size in enumerate(tensor.shape) if keepdim or dim not in over]
    return _new(sizes, dtype)


def _layer_norm(
    tensor: Tensor, shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor] | None:
    _check_parameters(tensor, weight, bias)
    rank = tensor.ndim - len(shape)
    if rank < 0 or not shape or list(tensor.shape[rank:]) != shape or not _floats(tensor, weight, bias):
        return None
    if any(list(each.shape) != shape for each in (weight, bias) if each is not None):
        return None
    rows = [*tensor.shape[:rank], *(1 for _ in shape)]
    precise = torch.promote_types(tensor.dtype, torch.float32)
    return _new(tensor.shape, tensor.dtype), _new(rows, precise), _new(rows, precise)


def _group_norm(
    tensor: Tensor, weight: Tensor | None, bias: Tensor | None, batch: int, channels: int, *rest: Any
) -> tuple[Tensor, Tensor, Tensor] | None:
    _check_parameters(tensor, weight, bias)
    _, groups, _ = rest
    if tensor.shape[:2] != (batch, channels) or channels % groups or not _floats(tensor, weight, bias):
        return None
    if any(each.shape != (channels,) for each in (weight, bias) if each is not None):
        return None
    sums = (batch, groups)
    return _like(tensor, tensor.dtype), _new(sums, tensor.dtype), _new(sums, tensor.dtype)


def _check_parameters(tensor: Tensor, *parameters: Tensor | None) -> None:
    dtypes = {each.dtype for each in parameters if each is not None}
    if len(dtypes) > 1 or not dtypes <= {tensor.dtype, torch.float32}:
        raise RuntimeError(f"a norm of {tensor.dtype} expects weights of the same type or of float32")


def _embedding(weight: Tensor, ids: Tensor, *_: Any, **__: Any) -> Tensor | None:
    if weight.ndim != 2 or ids.dtype not in (torch.int64, torch.int32):
        return None
    return _new((*ids.shape, weight.shape[1]), weight.dtype)


def _matrix_product(left: Tensor, right: Tensor, **_: Any) -> Tensor | None:
    if left.dtype != right.dtype:
        raise RuntimeError(f"a matrix of {left.dtype} cannot be multiplied by one of {right.dtype}")
    if left.shape[-1] != right.shape[-2] or left.shape[:-2] != right.shape[:-2] or not _floats(left):
        return None
    return _new((*left.shape[:-1], right.shape[-1]), left.dtype)


def _mm(left: Tensor, right: Tensor, **named: Any) -> Tensor | None:
    return _matrix_product(left, right, **named) if left.ndim == right.ndim == 2 else None


def _bmm(left: Tensor, right: Tensor, **named: Any) -> Tensor | None:
    return _matrix_product(left, right, **named) if left.ndim == right.ndim == 3 else None


def _addmm(bias: Tensor, left: Tensor, right: Tensor, **_: Any) -> Tensor | None:
    product = _mm(left, right)
    if bias.dtype != left.dtype:
        raise RuntimeError(f"a bias of {bias.dtype} cannot be added to a product of {left.dtype}")
    if product is not None and _broadcast([bias.shape, product.shape]) != product.shape:
        raise RuntimeError(f"a bias of {list(bias.shape)} does not fit a product of {list(product.shape)}")
    return product


def _convolution(pixels: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor | None:
    stride, padding, dilation, transposed, _, groups = settings
    space = weight.ndim - 2
    if pixels.ndim != weight.ndim or any(len(each) != space for each in (stride, padding, dilation)):
        raise RuntimeError(f"a kernel of {list(weight.shape)} does not fit {list(pixels.shape)}")
    if transposed:
        return None
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"a bias of {list(bias.shape)} does not fit {weight.shape[0]} output channels")
    if not _floats(pixels, weight, bias):
        raise RuntimeError("pixels, weights and bias of a convolution must have one floating-point type")
    if pixels.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise RuntimeError(f"{pixels.shape[1]} channels in {groups} groups do not fit a kernel of {list(weight.shape)}")
    if min(*stride, *dilation) < 1:
        return None
    each = zip(pixels.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    outputs = [(size + 2 * pad - step * (width - 1) - 1) // pace + 1 for size, width, pace, pad, step in each]
    if min(*outputs, *padding) < 0 or 0 in outputs:
        return None
    return _new((pixels.shape[0], weight.shape[0], *outputs), pixels.dtype)


def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0] if tensors else None
    if first is None or not _is_dim(dim, first.ndim) or any(map(_may_be_channels_last, tensors)):
        return None
    if any(not each.is_meta or not each.numel() or each.dtype != first.dtype for each in tensors):
        return None
    shape = list(first.shape)
    shape[dim] = 0
    for each in tensors:
        if each.ndim != first.ndim or any(a != b for a, b in zip(each.shape, shape, strict=True) if b):
            return None
    shape[dim] = sum(each.shape[dim] for each in tensors)
    return _new(shape, first.dtype)


def _stack(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    if not tensors or not _is_dim(dim, tensors[0].ndim + 1) or any(each.shape != tensors[0].shape for each in tensors):
        return None
    return _cat([each.unsqueeze(dim) for each in tensors], dim)


def _nll_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None, reduction: int, _: int
) -> tuple[Tensor, Tensor] | None:
    if weight is not None and weight.dtype != logits.dtype:
        raise RuntimeError(f"class weights of {weight.dtype} do not fit logits of {logits.dtype}")
    if logits.ndim != 2 or target.shape != logits.shape[:1] or target.dtype != torch.int64 or weight is not None:
        return None
    return _new(() if reduction else target.shape, logits.dtype), _new((), logits.dtype)


def _resized(tensor: Tensor, size: list[int], *_: Any) -> Tensor | None:
    if tensor.ndim != 4 or len(size) != 2 or min(size) < 1:
        raise RuntimeError(f"pictures of {list(tensor.shape)} cannot be resized to {size}")
    channels, height, width = tensor.shape[1:]
    channels_last = tensor.stride() == (height * width * channels, 1, width * channels, channels)
    if not _floats(tensor) or 1 in tensor.shape[1:] or (_may_be_channels_last(tensor) and not channels_last):
        return None
    result = _new((*tensor.shape[:2], *size), tensor.dtype)
    return result.to(memory_format=torch.channels_last) if channels_last else result


def _from_numbers(func: Any) -> Callable[..., Tensor | None]:
    """The rule for functions that make small tensors out of numbers: their shape and type from the CPU."""

    def rule(*args: Any, **named: Any) -> Tensor | None:
        if torch.device(named.get("device") or "cpu").type != "meta":
            return None
        values: Tensor = func(*args, **{**named, "device": torch.device("cpu")})
        return _new(values.shape, values.dtype)

    return rule


def _random(size: list[int], *, dtype: torch.dtype | None = None, **named: Any) -> Tensor | None:
    if torch.device(named.get("device") or "cpu").type != "meta" or not (dtype or torch.float32).is_floating_point:
        return None
    return _new(size, dtype)


_RULES: dict[Any, Callable[..., Any] | None] = {
    aten.addmm.default: _addmm,
    aten.arange.default: _from_numbers(aten.arange.default),
    aten.arange.start: _from_numbers(aten.arange.start),
    aten.arange.start_step: _from_numbers(aten.arange.start_step),
    aten.argmax.default: _argmin,
    aten.argmin.default: _argmin,
    aten.bmm.default: _bmm,
    aten.cat.default: _cat,
    aten.convolution.default: _convolution,
    aten.cumsum.default: _cumsum,
    aten.embedding.default: _embedding,
    aten.floor_divide.default: _pointwise,
    aten.full_like.default: _filled_like,
    aten.linalg_vector_norm.default: _norm,
    aten.linspace.default: _from_numbers(aten.linspace.default),
    aten._log_softmax.default: _softmax,
    aten.masked_fill.Scalar: None,  # pointwise, with a layout of its own
    aten.masked_fill.Tensor: None,
    aten.mean.dim: _mean,
    aten.mm.default: _mm,
    aten.native_group_norm.default: _group_norm,
    aten.native_layer_norm.default: _layer_norm,
    aten.nll_loss_forward.default: _nll_loss,
    aten.normal_.default: _normal,
    aten.rand.default: _random,
    aten.randn.default: _random,
    aten.roll.default: _roll,
    aten._safe_softmax.default: _softmax,
    aten._softmax.default: _softmax,
    aten.stack.default: _stack,
    aten.sum.dim_IntList: _sum,
    aten.tril.default: _triangle,
    aten.uniform_.default: _uniform,
    aten.upsample_bicubic2d.default: _resized,
    aten._upsample_bicubic2d_aa.default: _resized,
    aten.upsample_bilinear2d.default: _resized,
    aten.upsample_nearest2d.default: _resized,
}
