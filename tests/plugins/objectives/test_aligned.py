"""States of drawn pictures that are aligned with an encoder's features: the loss, in parts, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from flow_recipes import tiny_flow
from janiform import (
    CompositionError,
    Conversation,
    Draw,
    Look,
    RecipeError,
    Turn,
    UnifiedModel,
    UsageError,
    build_model,
    read_recipe_text,
    registry,
)
from janiform.compose import compose
from janiform.train.loop.blocks import blocks_of, prepare_blocks
from torch.nn.functional import cosine_similarity, interpolate

LOOKS = (
    'understanding = { share = "generation" } -> [understanding]\nencoder = { use = "siglip", image_size = 16, '
    'patch_size = 4, width = 8, layers = 1, heads = 2 }\nadapter = { use = "linear" }'
)
SMALLER = ("image_size = 16, patch_size = 4 -> image_size = 12, patch_size = 6, mean = [0.4, 0.5, 0.6], "
           "std = [0.2, 0.3, 0.4]")  # fmt: skip


def model_of(*changes: str) -> UnifiedModel:
    torch.manual_seed(0)
    text = tiny_flow(LOOKS, "layers = 2 -> layers = 3", *changes)
    model = build_model(compose(read_recipe_text(text)))
    model.processor.fit(["a red circle", "like this", "as you wish"])
    return model


def objective_of(model: UnifiedModel, use: str = "aligned", **settings: Any) -> Any:
    component = registry().find("objective", use)
    torch.manual_seed(1)
    return component.load()(component.config(**settings), model)


def drawing(seed: int) -> Conversation:
    pictures = np.random.default_rng(seed).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    return Conversation(
        (
            Turn("user", ("like this", Look(pictures[0]), "please")),
            Turn("assistant", (Draw(pictures[1]), "as you wish")),
        )
    )


def reading(seed: int) -> Conversation:
    picture = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Conversation.asking("what is it?", picture, answer="red")


def states_after(model: UnifiedModel, blocks: int, batch: Any) -> torch.Tensor:
    """The states of a model that ends after some blocks, without a final norm."""
    plan = model.plan
    backbone = plan.recipe.backbone
    shorter = evolve(plan.recipe, backbone=evolve(backbone, config=evolve(backbone.config, layers=blocks)))
    twin = build_model(compose(shorter))
    kept = {name: tensor for name, tensor in model.state_dict().items() if name in twin.state_dict()}
    twin.load_state_dict(kept)
    twin.processor = model.processor
    twin.backbone.norm = torch.nn.Identity()
    return twin.hidden(batch)


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("changes", [(), (SMALLER,), ('use = "patches" -> use = "patches", time = "lead"',)])
def test_the_loss_follows_its_definition(block: int, changes: tuple[str, ...]) -> None:
    model = model_of(*changes)
    objective = objective_of(model, block=block, width=10, text_dropout=0.0)
    chance = np.random.default_rng(0)
    prepared = [objective.prepare_one(each, chance) for each in (drawing(0), reading(1), drawing(2))]
    batch = objective.collate(prepared)
    losses, _ = objective.losses(batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == objective.counts(batch)
    pictures = batch.pictures["generation"]
    states = states_after(model, block, batch).flatten(0, 1)[pictures.positions[:, -16:]]
    first, second, third = (layer for layer in objective.project if isinstance(layer, torch.nn.Linear))
    silu = torch.nn.functional.silu
    projected = third(silu(second(silu(first(states)))))
    encoder: Any = model.part("understanding.encoder")
    pixels = pictures.pixels
    if SMALLER in changes:
        mean, std = (torch.tensor(each)[:, None, None] for each in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
        smaller = interpolate(pixels, (12, 12), mode="bilinear", antialias=True)
        features = encoder((smaller / 2 + 0.5 - mean) / std).transpose(1, 2).unflatten(2, (2, 2))
        features = interpolate(features, (4, 4), mode="bilinear").flatten(2).transpose(1, 2)
    else:
        features = encoder(pixels)
    exact = (1 - cosine_similarity(projected, features, dim=-1)).sum()
    assert losses["alignment"].total.item() == pytest.approx(exact.item(), rel=1e-5)
    assert int(losses["alignment"].count) == 2 * 16
    plain = objective_of(model, "autoregressive", text_dropout=0.0)
    others, _ = plain.losses(batch)
    assert {name: loss.total.item() for name, loss in others.items()} == {
        name: loss.total.item() for name, loss in losses.items() if name != "alignment"
    }


def test_packing_micro_batches_and_recomputed_blocks_change_nothing() -> None:
    model = model_of()
    model.part("generation.tokenizer").requires_grad_(False)
    model.part("understanding.encoder").requires_grad_(False)
    padded, packed = objective_of(model, block=2, width=10), objective_of(model, block=2, width=10, packed=128)
    chance = np.random.default_rng(2)
    examples = [reading(9), *(drawing(seed) for seed in range(4)), reading(8)]
    sequences = [padded.prepare_one(example, chance) for example in examples]

    def gradients(objective: Any, parts: list[Any]) -> tuple[float, dict[str, torch.Tensor]]:
        objective.zero_grad()
        batches = [objective.collate(part) for part in parts]
        names = {name for batch in batches for name in objective.counts(batch)}
        counts = {name: sum(objective.counts(batch).get(name, 0) for batch in batches) for name in names}
        assert counts["alignment"] == 4 * 16
        total = 0.0
        for batch in batches:
            losses, _ = objective.losses(batch)
            loss = torch.stack([each.total / counts[name] for name, each in losses.items()]).sum()
            loss.backward()
            total += loss.item()
        return total, {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}

    loss, whole = gradients(padded, [sequences])
    assert {"project.0.weight", "model.backbone.layers.1.mlp.down_proj.weight"} <= whole.keys()
    cases = [(packed, [sequences]), (padded, [[one] for one in sequences]), (packed, [sequences[:2], sequences[2:]])]
    for objective, parts in (*cases, (padded, [sequences])):
        if objective is padded and len(parts) == 1:
            prepare_blocks({}, blocks_of(model))
        again, other = gradients(objective, parts)
        assert again == pytest.approx(loss, rel=1e-5)
        assert other.keys() == whole.keys()
        for name, gradient in whole.items():
            assert torch.allclose(other[name], gradient, atol=1e-5), name


def test_the_encoder_learns_nothing_from_it() -> None:
    model = model_of()
    objective = objective_of(model, block=1, width=10)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sequence = objective.prepare_one(Conversation.drawing("a red circle", picture), np.random.default_rng(0))
    losses, _ = objective.losses(objective.collate([sequence]))
    losses["alignment"].total.backward()
    assert all(parameter.grad is None for parameter in model.part("understanding.encoder").parameters())
    assert objective.project[0].weight.grad.abs().sum() > 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="has block 4, but the backbone has 3 blocks"):
        objective_of(model_of(), block=4)
    without = build_model(compose(read_recipe_text(tiny_flow())))
    with pytest.raises(UsageError, match="compares with the encoder of 'understanding', which has none"):
        objective_of(without, block=1)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            'drawing = "understanding", encoder = "generation"',
            "names 'understanding', which is not a pathway that draws",
        ),
        ('drawing = "understanding"', "drawing and encoder are two pathways, and both are 'understanding'"),
        ("block = 0", "block"),
    ],
)
def test_settings_are_checked_with_the_recipe(setting: str, sentence: str) -> None:
    stage = f"""
[stage.one]
objective = {{ use = "aligned", {setting} }}
train = ["backbone"]
mixture = {{ draw = 1 }}
steps = 1
batch = 1
learning_rate = 1e-3
"""
    with pytest.raises((CompositionError, RecipeError), match=sentence):
        compose(read_recipe_text(tiny_flow(LOOKS) + stage))


def test_latents_without_pixels_are_refused() -> None:
    model = model_of()
    objective = objective_of(model, block=1)
    sequence = objective.processor.sequence(Conversation.drawing("a red circle", torch.randn(16, 8)))
    sequence = objective.processor.corrupted(sequence, np.random.default_rng(0))
    with pytest.raises(UsageError, match="needs the pixels of pictures that are drawn, but is given codes"):
        objective.losses(objective.collate([sequence]))
