"""Which kernel is taken for what is asked, and the sentences for those that cannot do it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import frozen
from janiform import AttentionRequest, ComponentError, KernelSupport, Mask, Registry, UsageError, attend, hookimpl
from janiform.attention.attend import Attention, attention_for, default_attention
from janiform.attention.kernels import choose, shortcomings

CPU = AttentionRequest(device="cpu", dtype="float32")
TRAINING = AttentionRequest(device="cpu", dtype="float32", learning=True, head_width=64)


@frozen(kw_only=True)
class QuickConfig:
    def serves(self) -> KernelSupport:
        return KernelSupport(devices=("cpu",), learns=(), dtypes=("float32",), multiple=8, widest=64, blocks=False)

    def advantage(self, asked: AttentionRequest) -> str:
        return "it is quick" if asked.head_width == 64 else ""


@frozen(kw_only=True)
class BrokenConfig:
    def serves(self) -> KernelSupport:
        raise RuntimeError("I am broken")

    def advantage(self, asked: AttentionRequest) -> str:
        return "it would be quicker still"


@pytest.fixture(scope="module")
def with_quick() -> Registry:
    @hookimpl
    def janiform_register(registrar: Any) -> None:
        for name, config in (("quick", QuickConfig), ("broken", BrokenConfig)):
            registrar.component("kernel", name, config=config, factory="quick:Kernel", summary="of a third party")

    return Registry.load({"quick": SimpleNamespace(janiform_register=janiform_register)})


def test_a_name_is_a_component_and_has_a_version() -> None:
    assert choose("flex", CPU).component.reference == "flex@1"
    assert choose("flex@1", CPU).component.name == "flex"
    assert attention_for("sdpa", CPU).name == default_attention().name == "sdpa@1"
    with pytest.raises(
        ComponentError, match=r"no kernel is called 'flux'.*did you mean 'flex'.*choose one of .*sdpa.*auto"
    ):
        choose("flux", CPU)


@pytest.mark.parametrize(
    ("name", "asked", "sentence"),
    [
        ("varlen", TRAINING, r"'varlen' cannot serve training on cpu in float32, heads of width 64: it computes on "
         r"cuda only; it computes in bfloat16 or float16 only \(kernels that serve it: sdpa, auto\)"),
        ("flex", TRAINING, "'flex' cannot serve .* it passes no gradients on cpu, only on cuda"),
        ("quick", TRAINING, "'quick' .* it passes no gradients on cpu "),
        ("quick", AttentionRequest(device="cpu", dtype="float32", head_width=12), "a multiple of 8, not 12"),
        ("quick", AttentionRequest(device="cpu", dtype="float32", head_width=72), "up to a width of 64, not 72"),
        ("quick", AttentionRequest(device="cpu", dtype="float32", blocks=True), "does not serve full blocks"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_said_with_what_can(
    name: str, asked: AttentionRequest, sentence: str, with_quick: Registry
) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose(name, asked, with_quick)


def test_what_is_missing_is_said_with_how_to_get_it() -> None:
    serves = KernelSupport(
        devices=("cpu",), learns=(), dtypes=("float32",), needs={"no_such_module.at_all": "pip install it"}
    )
    assert shortcomings(serves, CPU) == ["needs no_such_module.at_all (pip install it)"]


def test_auto_takes_what_names_an_advantage_and_else_the_default(with_quick: Registry) -> None:
    plain = choose("auto", TRAINING, with_quick)
    assert plain.component.name == "sdpa"
    assert plain.reason == "for training on cpu in float32, heads of width 64: no other installed kernel serves it"
    better = choose("auto", AttentionRequest(device="cpu", dtype="float32", head_width=64), with_quick)
    assert (better.component.name, better.reason) == (
        "quick",
        "for inference on cpu in float32, heads of width 64: it is quick",
    )
    assert "flex, quick would serve it too, without a declared advantage" in choose("auto", CPU, with_quick).reason


def test_a_call_that_the_kernel_does_not_serve_is_refused_when_it_comes() -> None:
    quick = Attention("quick@1", QuickConfig().serves(), default_attention().kernel)
    q, k, v = torch.randn(3, 1, 2, 4, 8)
    plain = torch.zeros(1, 4, dtype=torch.int64)
    torch.testing.assert_close(attend(q, k, v, Mask(plain, attention=quick)), attend(q, k, v, Mask(plain)))
    with pytest.raises(UsageError, match=r"'quick' cannot serve .* it does not serve full blocks"):
        attend(q, k, v, Mask(plain, torch.ones_like(plain), attention=quick))
    with pytest.raises(UsageError, match="it passes no gradients on cpu"):
        attend(q.requires_grad_(), k, v, Mask(plain, attention=quick))
    with torch.no_grad(), pytest.raises(UsageError, match="computes in float32 only"):
        attend(q.double(), k.double(), v.double(), Mask(plain, attention=quick))


def test_kernels_see_one_dtype_under_autocast() -> None:
    seen = []

    def kernel(q, k, v, mask):
        seen.append({q.dtype, k.dtype, v.dtype})
        return q

    serves = KernelSupport(devices=("cpu",), learns=("cpu",), dtypes=("float32", "bfloat16"))
    mask = Mask.causal(Attention("spy@1", serves, kernel))
    q, k, v = torch.randn(3, 1, 2, 4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        attend(q, k, v.bfloat16(), mask)
    attend(q, k, v, mask)
    assert seen == [{torch.bfloat16}, {torch.float32}]


def test_what_is_traced_without_values_takes_the_default_kernel() -> None:
    def never(*args: object) -> torch.Tensor:
        raise AssertionError

    mask = Mask.causal(Attention("never@1", QuickConfig().serves(), never))
    q, k, v = torch.empty(3, 1, 2, 4, 8, device="meta")
    assert attend(q, k, v, mask).shape == q.shape
