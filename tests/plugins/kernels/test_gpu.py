"""Every kernel on a CUDA device: equal to the definition, and never a wait for the device while it decodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from janiform import KVCache, Mask
from janiform.testing.kernels import KERNEL_CHECKS, KernelCase, kernel_cases

pytestmark = pytest.mark.gpu

KERNELS = ("sdpa", "flex", "varlen", "xformers")


@pytest.mark.parametrize("check", KERNEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", KERNELS)
def test_it_is_equal_to_the_definition(name: str, check) -> None:
    cases, reason = kernel_cases(name, ("cuda",))
    if cases is None:
        pytest.skip(reason)

    @given(cases)
    @settings(max_examples=6 if name == "flex" else 25, derandomize=True)  # flex is compiled for new shapes
    def run(case: KernelCase) -> None:
        check(case)

    run()


@pytest.mark.parametrize("name", KERNELS)
def test_steps_of_decoding_never_wait_for_the_device(name: str) -> None:
    cases, reason = kernel_cases(name, ("cuda",))
    if cases is None:
        pytest.skip(reason)
    attention = cases.example().attention
    host = torch.tensor([[-1, -1, 0, 0, 0], [0, 0, 0, 0, 0]])
    place = torch.device("cuda")
    mask = Mask.decoding(host.to(place), length=40, attention=attention, host=(host, None))
    cache = KVCache(1, 2, 2, 40, 64, torch.bfloat16, place)
    q, k, v = torch.randn(3, 2, 2, 5, 64, dtype=torch.bfloat16, device=place)
    attention(q, *cache.append(0, k, v), mask)
    cache.advance(5)

    def step() -> None:
        keys, values = cache.append(0, k[:, :, :1], v[:, :, :1])
        attention(q[:, :, :1], keys, values, mask)
        cache.advance(1)

    step()  # kernels may be compiled, and masks built, on the first one
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
