"""Broken kernels: each check catches what it is for, and says so."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from attrs import evolve
from janiform import KernelSupport, Mask
from janiform.attention.attend import Attention
from janiform.sequence.mask import UNSEEN
from janiform.testing import conforms, kernels
from janiform.testing.kernels import KERNEL_CHECKS, KernelCase
from janiform.testing.suite import run_check

EVERYTHING = KernelSupport(devices=("cpu",), learns=("cpu",), dtypes=("float64",))
DOCUMENTS = torch.tensor([[-1, 0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, -1, -1]])
BLOCKS = torch.tensor([[0, 0, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2, 2, 2, 0, 0]])


class Sound:
    """All scores written out; the animals of the zoo change one thing each."""

    def seen(self, mask: Mask, queries: int, keys: int) -> torch.Tensor:
        seen, _ = mask.compiled(queries, keys, torch.device("cpu"))
        return torch.ones(1, 1, queries, keys, dtype=torch.bool).tril(keys - queries) if seen is None else seen

    def scale(self, width: int) -> float:
        return width**-0.5

    def __call__(self, q: Any, k: Any, v: Any, mask: Mask) -> torch.Tensor:
        groups = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        scores = q @ k.transpose(-1, -2) * self.scale(q.shape[-1])
        return scores.masked_fill(~self.seen(mask, q.shape[2], k.shape[2]), float("-inf")).softmax(-1) @ v


class IgnoresBlocks(Sound):
    def seen(self, mask, queries, keys):
        return super().seen(Mask(mask.documents), queries, keys)


class MixesDocuments(Sound):
    def seen(self, mask, queries, keys):
        return super().seen(Mask.causal(), queries, keys)


class MixesHeads(Sound):
    def __call__(self, q, k, v, mask):
        order = torch.arange(q.shape[1]).view(-1, k.shape[1]).T.flatten()
        return super().__call__(q[:, order], k, v, mask)[:, order.argsort()]


class ForgetsTheScale(Sound):
    def scale(self, width):
        return 1.0


class ScalesInPlace(Sound):
    def __call__(self, q, k, v, mask):
        q *= q.shape[-1] ** -0.5
        return super().__call__(q, k, v, mask)

    def scale(self, width):
        return 1.0


class Raises(Sound):
    def __call__(self, q, k, v, mask):
        raise type("Odd", (BaseException,), {})("boom")


class IsNotFinite(Sound):
    def seen(self, mask, queries, keys):
        return super().seen(mask, queries, keys) & (mask.documents[:, keys - queries : keys] >= 0)[:, None, :, None]


class DetachesKeys(Sound):
    def __call__(self, q, k, v, mask):
        return super().__call__(q, k.detach(), v, mask)


class HalvesAGradient(Sound):
    def __call__(self, q, k, v, mask):
        return super().__call__(q, k, (v + v.detach()) / 2, mask)


class TakesTheFirstQueries(Sound):
    def seen(self, mask, queries, keys):
        return super().seen(mask, keys, keys)[:, :, :queries]


class RemembersItsFirstMask(Sound):
    def __init__(self):
        self.first = None

    def seen(self, mask, queries, keys):
        self.first = self.first if self.first is not None else [mask, 0]
        self.first[1] += self.first[0] is not mask
        return super().seen(mask, queries, keys).roll(self.first[1], -1)


class CompilesForEachLayer(Sound):
    def __init__(self):
        self.layers = 0

    def seen(self, mask, queries, keys):
        self.layers += 1
        return mask.kept(("mine", self.layers), lambda: Sound.seen(self, mask, queries, keys))


class SeesAll(Sound):
    """Ignores what is not seen by all."""

    def seen(self, mask, queries, keys):
        return super().seen(Mask(mask.documents, mask.blocks), queries, keys)


ZOO = [
    (IgnoresBlocks, kernels.attends_as_the_mask_says, "attention is off by"),
    (MixesDocuments, kernels.attends_as_the_mask_says, "attention is off by"),
    (MixesHeads, kernels.attends_as_the_mask_says, "attention is off by"),
    (ForgetsTheScale, kernels.attends_as_the_mask_says, "attention is off by"),
    (ScalesInPlace, kernels.attends_as_the_mask_says, "changes the queries in place"),
    (IsNotFinite, kernels.attends_as_the_mask_says, "values that are not finite, perhaps at padding"),
    (DetachesKeys, kernels.gives_gradients_as_the_mask_says, "passes no gradient to the keys"),
    (HalvesAGradient, kernels.gives_gradients_as_the_mask_says, "the gradient of the values is off by"),
    (TakesTheFirstQueries, kernels.continues_from_a_cache, r"1 queries after \d cached positions are off by"),
    (RemembersItsFirstMask, kernels.repeats_its_outputs, "its output depends on an earlier mask"),
    (CompilesForEachLayer, kernels.compiles_its_mask_once, "compiles the mask again for the second layer"),
]


def case(kernel: Any) -> KernelCase:
    return KernelCase(Attention("beast@1", EVERYTHING, kernel()), "cpu", "float64", DOCUMENTS, BLOCKS, 4, 2, 8, 1)


@pytest.mark.parametrize(("beast", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None))
def test_each_check_catches_what_it_is_for(beast: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=f"^kernel 'beast' on cpu in float64: .*{sentence}"):
        check(case(beast))


def test_an_exception_of_a_kernel_is_reported_with_its_name_and_line() -> None:
    with pytest.raises(AssertionError, match=r"^kernel 'beast' .*Odd: boom \(.*test_kernel_zoo.py:\d+\)"):
        run_check(kernels.attends_as_the_mask_says, case(Raises))


def test_a_kernel_that_sees_what_is_hidden_is_caught() -> None:
    """One that declares ``holes``; for others, ``attend`` calls the default one."""
    with_holes = evolve(EVERYTHING, holes=True)
    seen = torch.where(BLOCKS > 0, BLOCKS, UNSEEN)
    for kernel, caught in ((SeesAll, True), (Sound, False)):
        made = evolve(case(kernel), attention=Attention("beast@1", with_holes, kernel()), seen=seen)
        with pytest.raises(AssertionError, match="attention is off by") if caught else nullcontext():
            kernels.attends_as_the_mask_says(made)
    kernels.attends_as_the_mask_says(evolve(case(SeesAll), seen=seen))


@pytest.mark.parametrize("check", KERNEL_CHECKS, ids=lambda check: check.__name__)
def test_a_sound_kernel_passes(check: Any) -> None:
    check(case(Sound))


@pytest.mark.skipif(torch.cuda.is_available(), reason="it is tested there")
def test_what_cannot_be_tested_here_is_skipped_with_the_reason() -> None:
    tests = conforms("kernel", "varlen")
    marks = tests.test_attends_as_the_mask_says.pytestmark  # type: ignore[attr-defined]
    assert marks[0].name == "skip"
    assert marks[0].kwargs["reason"].startswith("kernel 'varlen' cannot be tested here: it ")
    with pytest.raises(ValueError, match="there is no check flies"):
        conforms("kernel", "sdpa", without=("flies",))
