"""Peaks by hand, on tensors that are never allocated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from janiform import read_recipe
from janiform.compose import compose
from janiform.measure.needs import measure_needs
from janiform.measure.peak import peak
from janiform.model.modules import build_modules
from tiny_parts import draw, look, recipe
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

KIB = 1024


def values(kib: int) -> torch.Tensor:
    return torch.empty(kib * KIB // 4)


def test_what_lives_together_is_added_up() -> None:
    assert peak(lambda: values(3)) == 3 * KIB
    assert peak(lambda: (values(3), values(5))) == 8 * KIB

    def one_after_the_other() -> Any:
        values(7)
        return values(5)

    assert peak(one_after_the_other) == 7 * KIB


def test_temporaries_go_views_are_free_and_weights_do_not_count() -> None:
    def temporaries() -> Any:
        x = values(4)
        x = x * 2  # both are there while it is made
        return x.view(-1, 2).add_(1)[:3]

    assert peak(temporaries) == 8 * KIB
    with torch.device("meta"):
        line = nn.Linear(256, 256, bias=False)
    assert peak(lambda: line(torch.empty(2, 256)), [line]) == 4 * KIB


def test_attention_holds_no_scores() -> None:
    q, k, v = (torch.empty(1, 2, length, 8, device="meta") for length in (1000, 1000, 1000))
    assert peak(lambda: scaled_dot_product_attention(q, k, v, is_causal=True)) == q.nbytes


def test_code_that_cannot_run_on_meta_is_unknown() -> None:
    assert peak(lambda: values(1).sum().item()) is None


def test_needs_are_proportional_to_the_size_of_a_number() -> None:
    plan = compose(read_recipe("janus-mini"))
    whole, half = measure_needs(plan, torch.float32), measure_needs(plan, torch.bfloat16)
    assert whole.weights == pytest.approx(2 * half.weights, rel=0.001)  # but for what is counted in whole numbers
    assert whole.cache == 2 * half.cache
    hidden = plan.hidden
    assert whole.cache == 2 * hidden.layers * hidden.kv_heads * hidden.head_width * 4
    assert half.position < whole.position < 3 * half.position
    assert whole.pixels == {"generation": 3 * 64 * 64}
    decode = whole.decode["generation"]
    tokenizer = build_modules(plan, "meta", parts=["generation.tokenizer"])["generation.tokenizer"]
    three = peak(lambda: tokenizer.decode(torch.zeros(3, 64, 1, dtype=torch.int64)), [tokenizer])
    assert three == pytest.approx(3 * decode, rel=0.02)


def test_parts_that_cannot_be_traced_get_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = compose(recipe(look(), draw()))
    traced = measure_needs(plan, torch.float32)
    monkeypatch.setattr("janiform.measure.needs.peak", lambda *_: None)
    guessed = measure_needs(plan, torch.float32)
    for needs in (traced, guessed):
        assert needs.position > 0
        assert all(value > 0 for each in (needs.code, needs.look, needs.decode) for value in each.values())
    assert guessed.decode["generation"] >= traced.decode["generation"]
    assert guessed.position >= traced.position
