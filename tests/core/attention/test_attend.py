"""``sdpa``: PyTorch's attention, in the precision that a CPU trains faster in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import sdpa
from janiform.attention.attend import SHORT
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def made(length: int, dtype: torch.dtype, seed: int) -> list[Tensor]:
    torch.manual_seed(seed)
    return [torch.randn(2, 3, length, 8, dtype=dtype).requires_grad_() for _ in range(3)]


def attended(function: object, tensors: list[Tensor], autocast: bool = False) -> tuple[Tensor, ...]:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        given = function(*tensors, is_causal=True)  # type: ignore[operator]
    return given, *torch.autograd.grad(given.float().square().sum(), tensors)


@given(st.integers(1, 90), st.integers(0, 2**32 - 1), st.booleans())
def test_short_sequences_are_trained_in_float32_whatever_the_rest_computes_in(
    length: int, seed: int, autocast: bool
) -> None:
    tensors = made(length, torch.bfloat16, seed)
    exact = [tensor.detach().float().requires_grad_() for tensor in tensors]
    given, *gradients = attended(sdpa, tensors, autocast)
    expected, *_ = attended(scaled_dot_product_attention, exact)
    assert torch.equal(given, expected.bfloat16())
    twice = expected.bfloat16().float()  # what the square above is taken of, rounded
    for gradient, right in zip(gradients, torch.autograd.grad(expected_of(exact), exact, 2 * twice), strict=True):
        torch.testing.assert_close(gradient, right.bfloat16(), rtol=2e-2, atol=2e-2)


def expected_of(tensors: list[Tensor]) -> Tensor:
    return scaled_dot_product_attention(*tensors, is_causal=True)


@pytest.mark.parametrize(
    ("length", "dtype", "learns"),
    [(SHORT, torch.bfloat16, True), (40, torch.bfloat16, False), (40, torch.float32, True), (40, torch.float64, True)],
)
def test_all_else_is_what_pytorch_computes(length: int, dtype: torch.dtype, learns: bool) -> None:
    tensors = made(length, dtype, 0)
    with torch.set_grad_enabled(learns):
        assert torch.equal(sdpa(*tensors, is_causal=True), scaled_dot_product_attention(*tensors, is_causal=True))
