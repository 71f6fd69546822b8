"""The first weights of a part follow from the seed and its path: another part beside it changes no bit of them."""

from __future__ import annotations

import random

import pytest
import torch
from janiform.compose import Plan, compose
from janiform.model.build import build_model
from janiform.model.modules import build_modules
from janiform.recipe import read_recipe
from torch import Tensor, nn

SMALL = [
    "backbone.width=32", "backbone.inner=48", "backbone.layers=1", "backbone.heads=2", "backbone.kv_heads=2",
    "backbone.head_width=16", "generation.tokenizer.vocabulary=32", "generation.tokenizer.latent=8",
]  # fmt: skip
ENCODER = "image_size = 64, patch_size = 8, width = 32, layers = 1, heads = 2"
DECOUPLED = [*SMALL, "generation.embedding.width=16"]
DESIGNS = {
    "siglip": ("janus-mini", [*DECOUPLED, f'understanding.encoder={{ use = "siglip", {ENCODER} }}']),
    "clip": ("janus-mini", [*DECOUPLED, f'understanding.encoder={{ use = "clip", {ENCODER} }}']),
    "patches": ("janus-mini-encoder-free", [*DECOUPLED, "understanding.encoder.width=32"]),
    "coupled": ("janus-mini-coupled", [*SMALL, "backbone.vocabulary=544"]),
}
DRAWING = {f"generation.{part}" for part in ("tokenizer", "embedding", "adapter", "head")}
COMMON = {
    "clip": {"backbone", "understanding.adapter", *DRAWING},
    "patches": {"backbone", *DRAWING},
    "coupled": {"generation.tokenizer"},
}


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {name: compose(read_recipe(recipe, overrides)) for name, (recipe, overrides) in DESIGNS.items()}


def tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def equal(left: nn.Module, right: nn.Module) -> bool:
    ours, others = tensors(left), tensors(right)
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in ours)


@pytest.mark.parametrize("other", COMMON)
def test_another_encoder_changes_no_first_weight_of_another_part(plans: dict[str, Plan], other: str) -> None:
    seed = random.randrange(2**63)
    left, right = build_modules(plans["siglip"], seed=seed), build_modules(plans[other], seed=seed)
    alike = {path for path in left.keys() & right.keys() if equal(left[path], right[path])}
    assert alike == COMMON[other]


def test_parts_built_alone_or_at_another_time_have_the_same_first_weights(plans: dict[str, Plan]) -> None:
    seed, plan = random.randrange(2**63), plans["siglip"]
    whole = build_model(plan, seed=seed)
    torch.rand(random.randrange(1, 9))
    for path in COMMON["clip"]:
        part = build_modules(plan, parts=[path], seed=seed)[path]
        assert equal(part, whole.part(path)), path
        assert not equal(build_modules(plan, parts=[path], seed=seed ^ 1)[path], part), path


def test_a_plan_on_the_meta_device_leaves_random_numbers_alone(plans: dict[str, Plan]) -> None:
    state = torch.get_rng_state()
    build_model(plans["siglip"], "meta", seed=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_seed_parts_continue_the_random_numbers(plans: dict[str, Plan]) -> None:
    torch.manual_seed(1)
    first, second = (build_modules(plans["siglip"], parts=["generation.head"])["generation.head"] for _ in range(2))
    assert not equal(first, second)
