"""Shapes on the meta device: as torch's own, and without its compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform.model.meta import MetaShapes
from torch import Tensor, nn
from torch.nn import functional

CALLS: dict[str, Callable[[], Any]] = {
    "broadcast": lambda: ones(3, 1, 5) + ones(4, 1),
    "types": lambda: (ones(2, 3) * ones(2, 3).bfloat16(), ones(2) * torch.ones((), dtype=torch.float64)),
    "integers": lambda: (torch.arange(6) / 2, torch.arange(1, 7, 2) // 2, torch.arange(4) > 1, torch.arange(3) % 2),
    "kept layout": lambda: ones(2, 3, 4).transpose(1, 2) + ones(2, 4, 3),
    "expanded": lambda: ones(1, 4).expand(3, 4) * 2,
    "reshaped copy": lambda: (ones(2, 3, 4).transpose(1, 2) * 2).flatten(1),
    "in place": lambda: ones(2, 3).normal_().mul_(2),
    "where": lambda: torch.where(ones(2, 3) > 0, ones(2, 3), ones(3)),
    "reductions": lambda: (
        ones(2, 3).mean(-1),
        ones(2, 3).sum(0, keepdim=True),
        ones(2, 3).sum(),
        ones(2, 3).argmin(1),
    ),
    "softmax": lambda: (ones(2, 3).softmax(-1), ones(2, 3).log_softmax(0)),
    "joined": lambda: (torch.cat([ones(2, 3), ones(4, 3)]), torch.stack([ones(2), ones(2)], -1)),
    "products": lambda: (ones(2, 3) @ ones(3, 4), ones(5, 2, 3) @ ones(5, 3, 4)),
    "norms": lambda: (
        functional.normalize(ones(2, 3), dim=-1),
        functional.layer_norm(ones(2, 3, 4), (4,)),
        functional.group_norm(ones(2, 4, 5, 5), 2),
        functional.rms_norm(ones(2, 4), (4,)),
    ),
    "convolution": lambda: nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)(ones(1, 3, 9, 8)),
    "enlarged": lambda: functional.interpolate(ones(1, 2, 3, 4), scale_factor=2.0),
    "bicubic": lambda: functional.interpolate(ones(1, 2, 3, 4), (5, 6), mode="bicubic", antialias=True),
    "embedding": lambda: nn.Embedding(5, 3)(torch.zeros(2, 4, dtype=torch.int64)),
    "attention": lambda: functional.scaled_dot_product_attention(
        ones(1, 4, 3, 8), ones(1, 2, 5, 8), ones(1, 2, 5, 8), enable_gqa=True
    ),
    "cross entropy": lambda: functional.cross_entropy(ones(4, 7), torch.zeros(4, dtype=torch.int64), reduction="sum"),
    "initialised": lambda: nn.init.trunc_normal_(ones(3, 4)),
}


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


@pytest.mark.parametrize("name", CALLS)
def test_results_have_the_shape_and_type_of_torchs(name: str) -> None:
    with torch.no_grad():
        expected = CALLS[name]()
        with torch.device("meta"), MetaShapes():
            results = CALLS[name]()
    for result, tensor in zip(listed(results), listed(expected), strict=True):
        assert (result.device.type, result.shape, result.dtype) == ("meta", tensor.shape, tensor.dtype)


@pytest.mark.parametrize(
    "call",
    [lambda: ones(2, 3) + ones(4), lambda: ones(2, 3) @ ones(2, 3), lambda: nn.Conv2d(3, 4, 1)(ones(1, 2, 5, 5))],
)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any]) -> None:
    with torch.device("meta"), MetaShapes(), pytest.raises(RuntimeError):
        call()


def test_tensors_of_other_devices_are_computed() -> None:
    with MetaShapes():
        assert (torch.full((2,), 3.0) * 2).tolist() == [6.0, 6.0]


def listed(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


FLOATS = [torch.float32, torch.float32, torch.float32, torch.bfloat16, torch.float64]
TYPES = [*FLOATS, torch.int64, torch.bool]

Call = tuple[str, Callable[..., Any], list[Any]]
"""A readable name, a function, and its arguments, of which ``Operand`` stands for a tensor."""


@dataclass(frozen=True)
class Operand:
    """Shape, type and order in memory of a tensor, made on any device."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    order: tuple[int, ...] | None = None
    expanded: bool = False

    def on(self, device: str) -> Tensor:
        if self.expanded:
            return torch.ones((), dtype=self.dtype, device=device).expand(self.shape)
        if self.order is None:
            return torch.ones(self.shape, dtype=self.dtype, device=device)
        stored = torch.ones([self.shape[dim] for dim in self.order], dtype=self.dtype, device=device)
        return stored.permute([self.order.index(dim) for dim in range(len(self.order))])


@st.composite
def operands(draw: st.DrawFn, shape: Sequence[int], dtypes: Sequence[torch.dtype] = FLOATS) -> Operand:
    """A tensor of about the given shape: now and then a size, a rank, the type or the order in memory is another."""
    sizes = list(shape)
    change = draw(st.sampled_from(["none", "none", "none", "none", "size", "rank", "drop"]))
    if change == "size" and sizes:
        sizes[draw(st.integers(0, len(sizes) - 1))] = draw(st.integers(1, 5))
    elif change == "rank":
        sizes.insert(draw(st.integers(0, len(sizes))), draw(st.integers(1, 3)))
    elif change == "drop" and sizes:
        sizes.pop(draw(st.integers(0, len(sizes) - 1)))
    order = draw(st.none() | st.permutations(range(len(sizes))).map(tuple))
    expanded = draw(st.integers(0, 9)) == 0
    return Operand(tuple(sizes), draw(st.sampled_from(dtypes)), order, expanded)


sizes = st.integers(1, 5)
dims = st.integers(-4, 4)


@st.composite
def pointwise_calls(draw: st.DrawFn) -> Call:
    shape = draw(st.lists(sizes, max_size=4))
    other = [draw(st.sampled_from([1, size])) for size in shape[draw(st.integers(0, len(shape))) :]]
    first, second, third = (draw(operands(each, TYPES)) for each in (shape, other, shape))
    number = draw(st.sampled_from([2, 0.5, True, -1]))
    return draw(
        st.sampled_from(
            [
                ("add", torch.add, [first, second]),
                ("mul number", torch.mul, [first, number]),
                ("div", torch.div, [second, first]),
                ("floor_divide", torch.floor_divide, [first, number]),
                ("pow", torch.pow, [first, number]),
                ("where", torch.where, [first, second, third]),
                ("maximum", torch.maximum, [first, second]),
                ("greater", torch.gt, [first, second]),
                ("and", torch.bitwise_and, [first, second]),
                ("silu", functional.silu, [first]),
                ("gelu", functional.gelu, [first]),
                ("cos", torch.cos, [first]),
                ("addcmul", torch.addcmul, [first, second, third]),
                ("lerp", torch.lerp, [first, second, third]),
                ("clamp", torch.clamp, [first, number]),
                ("masked_fill", torch.masked_fill, [first, second, number]),
                ("mul_", Tensor.mul_, [first, second]),
                ("add_ number", Tensor.add_, [first, number]),
                ("div_", Tensor.div_, [first, second]),
                ("erfinv_", Tensor.erfinv_, [first]),
                ("clamp_", Tensor.clamp_, [first, -1, number]),
                ("normal_", Tensor.normal_, [first, 0.0, number]),
                ("uniform_", Tensor.uniform_, [first, 0.0, number]),
            ]
        )
    )


@st.composite
def one_tensor_calls(draw: st.DrawFn) -> Call:
    tensor = draw(operands(draw(st.lists(sizes, max_size=4)), TYPES))
    dim, several, keep = draw(dims), draw(st.lists(dims, max_size=3)), draw(st.booleans())
    return draw(
        st.sampled_from(
            [
                ("softmax", torch.softmax, [tensor, dim]),
                ("log_softmax", torch.log_softmax, [tensor, dim]),
                ("safe_softmax", torch.ops.aten._safe_softmax, [tensor, dim]),
                ("cumsum", torch.cumsum, [tensor, dim]),
                ("roll", torch.roll, [tensor, [1] * draw(st.integers(1, 3)), several]),
                ("tril", torch.tril, [tensor, dim]),
                ("full_like", torch.full_like, [tensor, 2]),
                ("mean", torch.mean, [tensor, several, keep]),
                ("sum", torch.sum, [tensor, several, keep]),
                ("sum all", torch.sum, [tensor]),
                ("norm", torch.linalg.vector_norm, [tensor, 2, draw(st.none() | st.just(several)), keep]),
                ("argmin", torch.argmin, [tensor, draw(st.none() | dims), keep]),
                ("argmax", torch.argmax, [tensor, dim, keep]),
            ]
        )
    )


@st.composite
def layer_calls(draw: st.DrawFn) -> Call:
    batch, width, inner, height = (draw(sizes) for _ in range(4))
    groups = draw(st.integers(1, 3))
    dtype = draw(st.sampled_from(FLOATS))

    def tensor(*shape: int) -> Operand:
        return draw(operands(shape, [dtype] * 12 + [torch.bfloat16, torch.int64]))

    rows, matrix, pixels = tensor(batch, width), tensor(width, inner), tensor(batch, groups * 2, height, width)
    weight, bias = draw(st.none() | st.just(tensor(width))), draw(st.none() | st.just(tensor(width)))
    channel = draw(st.none() | st.just(tensor(groups * 2)))
    kernel = tensor(groups * inner, 2, draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    strides = [draw(st.integers(1, 2)), draw(st.integers(0, 2)), draw(st.integers(1, 2))]
    divisor = draw(st.sampled_from([groups, groups, 2, 3]))
    ids = draw(operands([batch, width], [torch.int64, torch.int64, torch.int32, torch.float32]))
    target = draw(operands([batch], [torch.int64, torch.int64, torch.float32]))
    size = draw(st.sampled_from([[2, 3], [7, 7], [0, 2], [2]]))
    return draw(
        st.sampled_from(
            [
                ("mm", torch.mm, [rows, matrix]),
                ("bmm", torch.bmm, [tensor(height, batch, width), tensor(height, width, inner)]),
                ("addmm", torch.addmm, [tensor(inner), rows, matrix]),
                ("embedding", functional.embedding, [zeros(ids), matrix]),
                ("layer_norm", functional.layer_norm, [tensor(batch, height, width), [width], weight, bias]),
                ("layer_norm of two", functional.layer_norm, [tensor(batch, height, width), [height, width]]),
                ("group_norm", functional.group_norm, [pixels, divisor, channel, channel]),
                ("conv2d", functional.conv2d, [pixels, kernel, None, *strides, divisor]),
                ("conv2d bias", functional.conv2d, [pixels, kernel, tensor(groups * inner), *strides, groups]),
                ("nll_loss", torch.ops.aten.nll_loss_forward, [rows, zeros(target), weight, groups % 3, -100]),
                ("nearest", torch.ops.aten.upsample_nearest2d, [pixels, size]),
                ("bilinear", torch.ops.aten.upsample_bilinear2d, [pixels, size, False]),
                ("bicubic", torch.ops.aten.upsample_bicubic2d, [pixels, size, False]),
                ("bicubic smooth", torch.ops.aten._upsample_bicubic2d_aa, [pixels, size, False]),
                ("cat", joined(torch.cat), [draw(dims), rows, tensor(batch, width)]),
                ("cat of pictures", joined(torch.cat), [draw(dims), pixels, pixels]),
                ("stack", joined(torch.stack), [draw(dims), rows, tensor(batch, width)]),
                ("stack of volumes", joined(torch.stack), [draw(dims), pixels, pixels, pixels]),
            ]
        )
    )


def zeros(operand: Operand) -> Operand:
    """The operand for ids, of which 0 is always valid."""
    return Zeros(operand.shape, operand.dtype)


class Zeros(Operand):
    def on(self, device: str) -> Tensor:
        return torch.zeros(self.shape, dtype=self.dtype, device=device)


def joined(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda dim, *tensors: function(list(tensors), dim)


@settings(max_examples=300, deadline=None)
@given(pointwise_calls() | one_tensor_calls() | layer_calls())
def test_rules_accept_and_return_what_torch_does(call: Call) -> None:
    on_cpu, own, ruled = outcome(call, "cpu"), outcome(call, "meta"), outcome(call, "meta", MetaShapes)
    if "not implemented for" in str(on_cpu):
        return  # the CPU has no code for this type, others may
    if isinstance(own, Exception) or isinstance(on_cpu, Exception):
        assert isinstance(ruled, Exception), f"torch refuses {call}"
    else:
        assert ruled in (own, on_cpu)


def outcome(call: Call, device: str, mode: Callable[[], Any] = nullcontext) -> Any:
    """Shapes, types and strides of the results; or the error."""
    _, function, arguments = call
    tensors = [each.on(device) if isinstance(each, Operand) else each for each in arguments]
    try:
        with torch.no_grad(), mode():
            results = listed(function(*tensors))
    except (RuntimeError, IndexError, TypeError, ValueError, AssertionError, ZeroDivisionError) as error:
        return error
    return [(tuple(result.shape), result.dtype, layout(result)) for result in results]


def layout(tensor: Tensor) -> list[int]:
    """Strides, of the dimensions where they matter."""
    return [stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]
