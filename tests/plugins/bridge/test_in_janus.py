"""A Janus of bridged parts: it draws and answers what one of our own with the same weights does, and it learns."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
import torch
from janiform import Conversation, generate_codes, generate_text, registry
from janiform.compose import compose
from janiform.measure.costs import measure
from janiform.recipe import Use
from janiform_plugins.objectives.next_token import next_token_losses

BACKBONE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "vocab_size": 320, "max_position_embeddings": 256, "rms_norm_eps": 1e-6}  # fmt: skip


@pytest.fixture(scope="module")
def plan(make_plan: Any) -> Any:
    component = registry().find("backbone", "transformers")
    config = component.config(model_type="llama", settings=BACKBONE)
    recipe = make_plan().recipe
    return compose(attrs.evolve(recipe, backbone=Use("backbone", component, config)))


@pytest.fixture(scope="module")
def twins(plan: Any, tiny_model: Any, fitted: Any) -> tuple[Any, Any]:
    """The tiny model, and the same with its backbone bridged."""
    model = fitted(plan)
    model.processor = tiny_model.processor
    for path in plan.parts:
        if path not in ("backbone", "text", "layout", "generation.sampler"):
            model.part(path).load_state_dict(tiny_model.part(path).state_dict())
    ours = tiny_model.part("backbone").state_dict()
    reference = {}
    for name in model.part("backbone").state_dict():
        short = name.removeprefix("causal.").removeprefix("model.")
        stem = short.replace("self_attn", "attention").replace("input_layernorm", "attention_norm")
        stem = stem.replace("post_attention_layernorm", "mlp_norm")
        for rank, letter in enumerate("qkv"):
            if f"attention.{letter}_proj" in stem:
                reference[name] = ours[stem.replace(f"{letter}_proj", "qkv_proj")].chunk(3)[rank]
        for rank, gate in enumerate(("gate_proj", "up_proj")):
            if gate in stem:
                reference[name] = ours[stem.replace(gate, "gate_up_proj")].chunk(2)[rank]
        if name not in reference:
            reference[name] = ours[stem]
    model.part("backbone").load_state_dict(reference)
    return tiny_model, model


def test_guided_pictures_of_ragged_prompts_are_the_same(twins: Any) -> None:
    ours, bridged = twins
    prompts = [ours.processor.drawing_prompt(text) for text in ("a circle", "a large red square is above a circle")]
    given = generate_codes(bridged, prompts, seeds=[1, 2], guidance=5.0)
    assert torch.equal(given, generate_codes(ours, prompts, seeds=[1, 2], guidance=5.0))


def test_answers_are_the_same(twins: Any) -> None:
    ours, bridged = twins
    picture = np.random.default_rng(0).integers(0, 256, (20, 14, 3), dtype=np.uint8)
    asked = [
        Conversation.asking("a red circle?", picture),
        Conversation.asking("a small blue square is above?", picture),
    ]
    prompts = [ours.processor.sequence(one, answer=False) for one in asked]
    answers = [list(generate_text(model, prompts, max_new_tokens=8)) for model in (ours, bridged)]
    assert answers[0] == answers[1]


def test_a_loss_reaches_every_parameter_and_costs_are_known(plan: Any, fitted: Any, tiny_plan: Any) -> None:
    model = fitted(plan).train()
    picture = np.zeros((20, 14, 3), dtype=np.uint8)
    asked = model.processor.sequence(Conversation.asking("how many?", picture, answer="two red circles"))
    drawn = model.processor.sequence(Conversation.drawing("a red circle", picture))
    losses = next_token_losses(model, model.processor.pack([asked, drawn], 200))
    sum(loss.mean for loss in losses.values()).backward()
    idle = [name for name, value in model.part("backbone").named_parameters() if value.grad is None]
    assert not idle
    ours, bridged = measure(tiny_plan), measure(plan)
    assert bridged.parts["backbone"] == ours.parts["backbone"]
    assert bridged.text_token == pytest.approx(ours.text_token, rel=0.02)
