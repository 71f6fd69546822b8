"""Flex-attention as a compiled kernel on the CPU, which takes a C++ compiler and a minute."""

from __future__ import annotations

import shutil

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from janiform.attention import Attention, made
from janiform.components.registry import registry
from janiform.kernels import Choice
from janiform.testing.kernels import KernelCase, attends_as_the_mask_says, cases_of, goes_on_from_a_cache

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler"),
]


@torch.no_grad()
@pytest.mark.parametrize("check", [attends_as_the_mask_says, goes_on_from_a_cache])
def test_it_is_equal_to_the_definition(check) -> None:
    component = registry().find("kernel", "flex")
    built = made(Choice(component, component.config(compiled="always")))
    attention = Attention(
        built.name, evolve(built.serves, dtypes=("float32",)), built.kernel
    )  # float64 is not compiled

    @given(cases_of(attention, "cpu"))
    @settings(max_examples=2, derandomize=True)
    def run(case: KernelCase) -> None:
        check(case)

    run()
    assert built.kernel._compiled is not None
