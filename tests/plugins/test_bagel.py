"""A tiny BAGEL from one end to the other: what it trains on, its losses, and pictures that it draws and changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from bagel_recipes import tiny_bagel
from janiform import (
    Conversation,
    Corrupted,
    Draw,
    Look,
    Model,
    Turn,
    UnifiedModel,
    build_model,
    read_recipe_text,
    registry,
)
from janiform.compose import compose
from janiform.seeds import derived_seed
from step_gradients import gradients
from torch import Tensor

WORDS = ["make the circle red and move it", "a small green square above a cross", "as you wish, now in blue"]
DROPOUT = {"text": 0.1, "source_latents": 0.3, "understanding": 0.3}


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe_text(tiny_bagel())))
    model.processor.fit(WORDS * 4)
    with torch.no_grad():
        for name, parameter in model.backbone.named_parameters():
            if ".gen." in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.part("generation.tokenizer").requires_grad_(False)
    return model.eval()


def objective_of(model: UnifiedModel, **settings: Any) -> Any:
    component = registry().find("objective", "autoregressive")
    return component.load()(component.config(**{"text_dropout": 0.0} | settings), model)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def edit(seed: int) -> Conversation:
    """Two changes of one picture, with an answer between them: the first result is noise, and then a source itself."""
    return Conversation(
        (
            Turn("user", (Look(picture(seed)), "make the circle red")),
            Turn("assistant", (Draw(picture(seed + 1)), "as you wish")),
            Turn("user", "and move it"),
            Turn("assistant", Draw(picture(seed + 2))),
        )
    )


def test_the_losses_are_those_of_velocities_and_texts(model: UnifiedModel) -> None:
    """By the definitions of the release, from the states of whole sequences: x = (1 − t)·x₀ + t·ε, v = ε − x₀."""
    objective = objective_of(model)
    chance = np.random.default_rng(5)
    batch = objective.collate([objective.prepare_one(edit(seed), chance) for seed in (0, 9)])
    losses, _ = objective.losses(batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == objective.counts(batch)
    pictures = batch.pictures["generation"]
    corrupted: Any = pictures.corrupted
    tokenizer: Any = model.part("generation.tokenizer")

    def normal_of(seeds: Any) -> Tensor:
        return torch.stack([torch.randn(16, 8, generator=torch.Generator().manual_seed(int(seed))) for seed in seeds])

    posterior = normal_of(derived_seed("posterior", int(seed)) for seed in corrupted.seeds)
    x = tokenizer.encode(pictures.pixels, posterior)
    assert (x - tokenizer.encode(pictures.pixels)).abs().max() > 1e-3
    noise, t = normal_of(corrupted.seeds), corrupted.times[:, None, None]
    assert ((t > 0) & (t < 1)).all()
    features = {name: model.embed_pictures(batch.pictures[name], name) for name in ("understanding", "source_latents")}
    features["generation"] = model.embed_drawn((1 - t) * x + t * noise, "generation", 0, corrupted)
    states = model.hidden(batch, features=features).flatten(0, 1)
    predicted = model.part("generation.head")(states[pictures.positions], x, corrupted)
    squared = (predicted - (noise - x)).square().mean(-1).sum()
    assert losses["generation"].total.item() == pytest.approx(squared.item(), rel=1e-5)
    assert int(losses["generation"].count) == 4 * 16
    (rows,) = batch.text.values()
    backbone: Any = model.backbone
    nats = torch.nn.functional.cross_entropy(
        backbone.logits(states[rows - 1]), batch.ids.flatten()[rows], reduction="sum"
    )
    assert losses["source_latents"].total.item() == pytest.approx(nats.item(), rel=1e-5)
    count = len(model.processor.text.encode("as you wish")) + 1  # the end token is learned, the begin token is not
    assert len(rows) == 2 * count


def test_clean_latents_have_the_time_of_data_and_no_noise(model: UnifiedModel) -> None:
    objective = objective_of(model)
    batch = objective.prepare([edit(3)], np.random.default_rng(0))
    clean, drawn = batch.pictures["source_latents"], batch.pictures["generation"]
    assert clean.corrupted is None
    assert len(clean.positions) == 2  # the source, and the first result
    x = model.drawn(clean, "source_latents")

    expected = model.embed_drawn(x, "generation", 0, Corrupted(torch.zeros(2)))
    torch.testing.assert_close(model.embed_pictures(clean, "source_latents"), expected)
    assert len(drawn.positions) == 2


def test_clean_latents_are_samples_where_the_objective_says_so(model: UnifiedModel) -> None:
    """Of seeds of their own: the same picture as noise and as a source is another sample each time."""
    plain, sampled = (
        objective_of(model, sampled=each).prepare([edit(3)], np.random.default_rng(0)) for each in (False, True)
    )
    tokenizer: Any = model.part("generation.tokenizer")
    clean = sampled.pictures["source_latents"]
    seeds = clean.corrupted.seeds  # type: ignore[union-attr]
    assert torch.equal(sampled.pictures["generation"].corrupted.seeds, plain.pictures["generation"].corrupted.seeds)  # type: ignore[union-attr]
    noise = [
        torch.randn(16, 8, generator=torch.Generator().manual_seed(derived_seed("posterior", int(s)))) for s in seeds
    ]
    x = model.drawn(clean, "source_latents")
    torch.testing.assert_close(x, tokenizer.encode(clean.pixels, torch.stack(noise)))
    expected = model.embed_drawn(x, "generation", 0, Corrupted(torch.zeros(2)))
    torch.testing.assert_close(model.embed_pictures(clean, "source_latents"), expected)
    assert len({*seeds.tolist(), *plain.pictures["generation"].corrupted.seeds.tolist()}) == 4  # type: ignore[union-attr]


def test_packing_and_micro_batches_change_nothing(model: UnifiedModel) -> None:
    padded, packed = objective_of(model, dropout=DROPOUT), objective_of(model, packed=230)
    chance = np.random.default_rng(2)
    examples = [
        Conversation.drawing("a cross", picture(50)),
        Conversation.asking("how many?", picture(51), answer="two"),
        Conversation.document("as you wish"),
        *(Conversation.drawing("now in blue", picture(i), sources=[picture(i + 1)]) for i in range(8)),
        edit(30),
    ]
    sequences = [padded.prepare_one(example, chance) for example in examples]
    loss, whole = gradients(model, padded, [padded.collate(sequences)])
    assert any(".gen." in name for name in whole)
    for objective, parts in ((packed, [sequences]), (padded, [[one] for one in sequences])):
        again, other = gradients(model, objective, [objective.collate(part) for part in parts])
        assert again == pytest.approx(loss, rel=1e-5)
        assert other.keys() == whole.keys()
        for name, gradient in whole.items():
            assert torch.allclose(other[name], gradient, atol=1e-5), name


def test_each_copy_of_a_source_is_left_out_by_itself(model: UnifiedModel) -> None:
    """The shares of 600 samples; all that is left out of the pictures still counts one position."""
    objective = objective_of(model, dropout=DROPOUT)
    example = Conversation.drawing("make the circle red", picture(0), sources=[picture(1)])
    sequence = model.processor.sequence(example)
    words = model.processor.text.encode("make the circle red")
    chance = np.random.default_rng(0)
    shown = {"text": 0, "source_latents": 0, "understanding": 0}
    for _ in range(600):
        left = objective.prepare_one(example, chance)
        looks = [span.pathway for span in left.spans if span.kind == "look"]
        text = any(len(span.ids) > len(words) for span in left.spans if span.kind == "text")
        for name in looks:
            shown[name] += 1
        shown["text"] += text
        length = len(words) + 2
        assert left.positions[-1] == sequence.positions[-1] - (0 if text else length)
    assert {name: 1 - count / 600 for name, count in shown.items()} == pytest.approx(DROPOUT, abs=0.06)


def test_pictures_are_drawn_and_changed(model: UnifiedModel) -> None:
    """Each picture as it is alone, by its prompt, its source and its seed."""
    api = Model(model)
    (drawn,) = api.generate(WORDS[1], seed=3)
    assert drawn.size == (16, 16)
    (changed,) = api.generate(WORDS[0], pictures=[picture(0)], seed=3)
    (other,) = api.generate(WORDS[0], pictures=[picture(1)], seed=3)
    arrays = [np.asarray(each) for each in (drawn, changed, other)]
    assert not np.array_equal(arrays[1], arrays[2])
    assert not np.array_equal(arrays[0], arrays[1])
    first, second = api.generate([WORDS[0], WORDS[2]], pictures=[picture(0)], seed=3)
    assert np.abs(np.asarray(first).astype(int) - arrays[1]).max() <= 1
    assert not np.array_equal(np.asarray(second), arrays[1])
    assert isinstance(api.ask(picture(0), "how many?", max_new_tokens=3), str)
