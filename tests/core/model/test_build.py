"""A plan becomes modules under their paths; a factory that fails is named with its plugin."""

from __future__ import annotations

import pytest
import torch
from janiform import CompositionError
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.model.modules import build_modules
from janiform.recipe import Share
from tiny_parts import draw, look, recipe, shared, use


def test_weights_are_named_by_the_path_of_their_part() -> None:
    model = build_model(compose(recipe(look(), draw())))
    prefixes = {".".join(name.split(".")[:2]) for name in model.state_dict() if not name.startswith("backbone")}
    assert prefixes == {
        "understanding.encoder",
        "understanding.adapter",
        "generation.tokenizer",
        "generation.embedding",
        "generation.adapter",
        "generation.head",
    }
    assert "backbone.words.weight" in model.state_dict()


def test_a_shared_part_is_built_once() -> None:
    plan = compose(
        recipe(shared("tokenizer", "embedding", "adapter"), draw(), draw("painting", head=Share("generation.head")))
    )
    modules = build_modules(plan)
    assert "understanding.adapter" not in modules
    assert "painting.head" not in modules
    model = build_model(plan)
    assert model.part("understanding.adapter") is model.part("generation.adapter")
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert not [name for name in names if name.startswith(("understanding.", "painting.head"))]


def test_meta_allocates_nothing_and_dtype_is_kept() -> None:
    modules = build_modules(compose(recipe(look(), draw())), device="meta", dtype=torch.bfloat16)
    for module in modules.values():
        assert all(p.is_meta and p.dtype == torch.bfloat16 for p in module.parameters())


def test_half_of_a_model() -> None:
    plan = compose(recipe(look(adapter=use("adapter")), draw()))
    assert list(build_modules(plan, parts=["backbone", "understanding"])) == [
        "backbone",
        "understanding.encoder",
        "understanding.adapter",
    ]
    assert list(build_modules(plan, parts=("generation.head",))) == ["generation.head"]
    with pytest.raises(
        CompositionError, match=r"no part 'generation.haed' with weights \(did you mean 'generation.head'"
    ):
        build_modules(plan, parts=["generation.haed"])


def test_half_of_a_model_takes_what_it_shares_along() -> None:
    plan = compose(recipe(shared("tokenizer", "embedding", "adapter"), draw()))
    assert list(build_modules(plan, parts=["understanding"])) == [
        "generation.tokenizer",
        "generation.embedding",
        "generation.adapter",
    ]


def test_failing_factories_are_all_named() -> None:
    plan = compose(
        recipe(
            look(encoder=use("encoder", factory="broken")),
            draw(head=use("head", factory="no_module"), embedding=use("embedding", factory="not_there")),
        )
    )
    with pytest.raises(CompositionError) as caught:
        build_model(plan, "meta")
    first, second, third = (str(problem) for problem in caught.value.problems)
    assert first.startswith(
        "tiny.toml:13: understanding.encoder: the factory of encoder tiny@1, from plugin 'tiny-plugin', failed"
    )
    assert "RuntimeError: no such kernel" in first
    assert "tiny_parts:not_there" in second
    assert "tiny-plugin" in second
    assert "gave str, not a torch.nn.Module" in third
