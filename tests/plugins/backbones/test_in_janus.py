"""Every language model in place of Janus' own: the recipe composes, and all of a small model learns."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
import torch
from janiform import Conversation, read_recipe, registry
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.recipe import Use
from janiform_plugins.objectives.next_token import next_token_losses

RELEASED = {
    "llama": "llama-3.2-1b",
    "qwen2": "1.5b",
    "qwen3": "1.7b",
    "qwen3-moe": "30b-a3b",
    "mistral": "7b-v0.3",
    "gemma": "2b",
    "chameleon": "7b",
}
WIDE = {"qwen3", "qwen3-moe", "gemma"}
BACKBONE = {"width": 32, "inner": 64, "layers": 2, "heads": 4, "vocabulary": 320, "context": 256}


@pytest.mark.parametrize(("name", "preset"), RELEASED.items())
def test_one_line_puts_it_into_janus(name: str, preset: str) -> None:
    plan = compose(read_recipe("janus-pro-1b", [f'backbone.use="{name}"', f'backbone.preset="{preset}"']))
    model = build_model(plan, device="meta")
    component = registry().find("backbone", name)
    assert plan.hidden == component.config(**component.presets[preset]).hidden()
    assert isinstance(model.backbone, component.load())
    assert model.generation.adapter(model.generation.embedding(torch.zeros(1, 4, 1, dtype=torch.int64, device="meta"))
                                    ).shape == (1, 4, plan.hidden.width)  # fmt: skip


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_reach_every_parameter_that_is_trained(name: str, tied: bool, fitted: Any, tiny_plan: Any) -> None:
    component = registry().find("backbone", name)
    config = component.config(**BACKBONE, tied=tied, kv_heads=2, head_width=12 if name in WIDE else 0)
    model = fitted(compose(attrs.evolve(tiny_plan.recipe, backbone=Use("backbone", component, config))))
    model.part("generation.tokenizer").requires_grad_(False)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sequences = [
        model.processor.sequence(conversation)
        for conversation in (
            Conversation.asking("what is this?", picture, answer="a small red circle"),
            Conversation.drawing("a large blue square", picture),
        )
    ]
    loss = sum(loss.mean for loss in next_token_losses(model, model.processor.collate(sequences)).values())
    loss.backward()
    assert loss.isfinite()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    assert without == []
