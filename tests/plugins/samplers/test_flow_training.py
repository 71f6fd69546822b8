"""Training of pictures that are drawn from noise: masks, positions, losses and gradients of a tiny Transfusion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from flow_recipes import tiny_flow
from janiform import (
    Conversation,
    Draw,
    Look,
    Turn,
    UnifiedModel,
    build_model,
    read_recipe_text,
    registry,
    sampler_of,
)
from janiform import Sequence as Spans
from janiform.compose import compose
from step_gradients import gradients


def shapes(count: int, **settings: Any) -> list[Conversation]:
    component = registry().find("source", "shapes")
    source = component.load()(component.config(**{"task": "draw", "seed": 1} | settings))
    return [source.example(index) for index in range(count)]


def flow_model(*changes: str) -> UnifiedModel:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe_text(tiny_flow(*changes))))
    model.processor.fit(turn.text for example in shapes(40) for turn in example.turns)
    return model


def objective_of(model: UnifiedModel, **settings: Any) -> Any:
    component = registry().find("objective", "autoregressive")
    return component.load()(component.config(**settings), model)


def mixed(seed: int = 0) -> Conversation:
    """A picture that is looked at, one that is drawn, and text around them."""
    pictures = np.random.default_rng(seed).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    return Conversation(
        (
            Turn("user", ("like this", Look(pictures[0]), "please")),
            Turn("assistant", (Draw(pictures[1]), "as you wish")),
        )
    )


def of_transfusion(sequence: Spans) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask and positions by the definitions of the paper (arXiv:2408.11039) and of lucidrains' implementation."""
    picture = [number if span.kind != "text" else -1 for number, span in enumerate(sequence.spans) for _ in span.ids]
    size = len(picture)
    mask = torch.zeros(size, size, dtype=torch.bool)
    for query in range(size):
        for key in range(size):
            mask[query, key] = key <= query or picture[key] == picture[query] >= 0
    further = [index > 0 and picture[index] >= 0 and picture[index] == picture[index - 1] for index in range(size)]
    return mask, torch.tensor([index - sum(further[: index + 1]) for index in range(size)])


def test_mask_and_positions_are_those_of_transfusion() -> None:
    model = flow_model()
    sequence = model.processor.sequence(mixed())
    assert [span.kind for span in sequence.spans if span.kind != "text"] == ["look", "draw"]
    batch = model.processor.collate([sequence])
    mask, positions = of_transfusion(sequence)
    assert torch.equal(batch.positions[0], positions)
    allowed, causal = batch.mask().compiled(len(sequence), len(sequence), torch.device("cpu"))
    assert not causal
    assert allowed is not None
    assert torch.equal(allowed[0, 0], mask)


def test_codes_that_are_drawn_one_by_one_stay_causal() -> None:
    model = flow_model(
        'use = "kl" -> use = "vq", vocabulary = 16, code_width = 4',
        ", latent = 2, patch = 2 -> , latent = 4, attention = false",
        'embedding = { use = "patches", frequencies = 16, positions = "waves" } -> embedding = { use = "table" }',
        'adapter = { use = "identity" } -> adapter = { use = "linear" }',
        'head = { use = "values", norm = "rms" } -> head = { use = "linear" }',
        'sampler = { use = "flow", steps = 4, guidance = 2.0 } -> sampler = { use = "autoregressive" }',
    )
    spans = model.processor.sequence(mixed()).spans
    assert {span.kind: (span.mask, span.positions) for span in spans if span.kind != "text"} == {
        "look": ("full", "one"),
        "draw": ("causal", "each"),
    }


def test_the_loss_is_that_of_the_text_and_of_the_velocities() -> None:
    """Both parts by their definitions, from the hidden states of the whole sequence."""
    model = flow_model().eval()
    objective = objective_of(model, text_dropout=0.0)
    chance = np.random.default_rng(5)
    batch = objective.collate([objective.prepare_one(mixed(seed), chance) for seed in range(3)])
    losses, _ = objective.losses(batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == objective.counts(batch)
    pictures = batch.pictures["generation"]
    x = model.drawn(pictures, "generation")
    corrupted = pictures.corrupted
    assert corrupted is not None
    assert corrupted.times is not None
    assert corrupted.seeds is not None
    noise = torch.stack([torch.randn(16, 8, generator=torch.Generator().manual_seed(int(s))) for s in corrupted.seeds])
    t = corrupted.times[:, None, None]
    vectors = model.embed_drawn(t * x + (1 - t) * noise, "generation", 0, corrupted)
    looks = model.embed_pictures(batch.pictures["understanding"], "understanding")
    states = model.hidden(batch, features={"generation": vectors, "understanding": looks})
    predicted = model.part("generation.head")(states.flatten(0, 1)[pictures.positions], x, corrupted)
    squared = (predicted - (x - noise)).square().mean(-1).sum()
    assert losses["generation"].total.item() == pytest.approx(squared.item(), rel=1e-5)
    assert int(losses["generation"].count) == 3 * 16
    backbone: Any = model.part("backbone")
    rows = batch.text["understanding"]
    nats = torch.nn.functional.cross_entropy(
        backbone.logits(states.flatten(0, 1)[rows - 1]), batch.ids.flatten()[rows], reduction="sum"
    )
    assert losses["understanding"].total.item() == pytest.approx(nats.item(), rel=1e-5)


@pytest.mark.parametrize("time", ["add", "lead"])
def test_packing_and_micro_batches_change_nothing(time: str) -> None:
    model = flow_model(f'use = "patches", -> use = "patches", time = "{time}",')
    model.part("generation.tokenizer").requires_grad_(False)
    padded, packed = objective_of(model), objective_of(model, packed=128)
    chance = np.random.default_rng(2)
    conversations = [*shapes(4), *(mixed(seed) for seed in range(3))]
    sequences = [padded.prepare_one(conversation, chance) for conversation in conversations]
    loss, whole = gradients(model, padded, [padded.collate(sequences)])
    for objective, parts in (
        (packed, [sequences]),
        (padded, [[sequence] for sequence in sequences]),
        (packed, [sequences[:3], sequences[3:]]),
    ):
        again, other = gradients(model, objective, [objective.collate(part) for part in parts])
        assert again == pytest.approx(loss, rel=1e-5)
        assert other.keys() == whole.keys()
        for name, gradient in whole.items():
            assert torch.allclose(other[name], gradient, atol=1e-5), name


def latents_of(model: UnifiedModel, examples: list[Conversation]) -> torch.Tensor:
    batch = model.processor.collate([model.processor.sequence(example) for example in examples])
    return model.drawn(batch.pictures["generation"], "generation")


def test_it_learns_to_draw_the_shapes_world() -> None:
    """60 steps on eight pictures, of scaled latents: the loss falls, and drawing comes nearer to them than noise is."""
    examples = shapes(8)
    raw = latents_of(flow_model(), examples)
    model = flow_model(f"patch = 2 }} -> patch = 2, shift = {raw.mean():.4f}, scale = {1 / raw.std():.4f} }}")
    x = latents_of(model, examples)
    assert x.std().item() == pytest.approx(1, abs=0.01)
    model.part("generation.tokenizer").requires_grad_(False)
    objective = objective_of(model)
    chance = np.random.default_rng(0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0)
    curve = []
    for _ in range(60):
        losses, _ = objective.losses(objective.prepare(examples * 4, chance))
        loss = losses["generation"].mean
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    assert np.mean(curve[-10:]) < 0.7 * np.mean(curve[:5])
    model.eval()
    prompts = [model.processor.drawing_prompt(example.turns[0].text) for example in examples]
    drawn = sampler_of(model.plan).draw(model, prompts, seeds=list(range(8)), steps=10, guidance=1.0)
    noise = torch.stack([torch.randn(16, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(8)])
    assert (drawn - x).square().mean().item() < 0.75 * (noise - x).square().mean().item()


def noised(model: UnifiedModel, example: Conversation, seeds: int = 300) -> dict[tuple[str, str], list[float]]:
    """The times of a conversation's pictures in training, by the kind of their spans before and after."""
    sequence = model.processor.sequence(example)
    times: dict[tuple[str, str], list[float]] = {}
    for seed in range(seeds):
        corrupted = model.processor.corrupted(sequence, np.random.default_rng(seed))
        for before, after in zip(sequence.spans, corrupted.spans, strict=True):
            if after.corruption is not None and after.corruption.time is not None:
                times.setdefault((before.kind, after.kind), []).append(after.corruption.time)
        assert corrupted.pathway == sequence.pathway
    return times


DIFFUSION = (
    'sampler = { use = "flow", steps = 4, guidance = 2.0 } -> sampler = { use = "diffusion", steps = 4',
    'embedding = { use = "patches", frequencies = 16 -> embedding = { use = "patches", data_at = 0, frequencies = 16',
    'norm = "rms" -> norm = "rms", of = "noise"',
)


def test_pictures_before_their_text_have_at_most_half_of_the_noise() -> None:
    """Transfusion's limit of t = 500 of 1000 (arXiv:2408.11039); a picture after its text may have all noise."""
    sampler, *others = DIFFUSION
    limited = flow_model(sampler + ", before_text = 0.5 }", *others)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    captioned = Conversation.asking("what?", picture, answer="red")
    times = noised(limited, captioned)
    assert list(times) == [("look", "draw")]  # it is predicted as well
    assert max(times["look", "draw"]) == pytest.approx(0.5, abs=0.01)
    assert min(times["look", "draw"]) >= 0.001
    sequence = limited.processor.sequence(captioned)
    whole = limited.processor.corrupted(sequence, np.random.default_rng(0), looks=False)
    assert [span.kind for span in whole.spans if span.kind != "text"] == ["look"]
    assert max(noised(limited, Conversation.drawing("a red circle", picture))["draw", "draw"]) > 0.95
    both = noised(limited, mixed())  # a text follows the picture that is drawn, too
    assert sorted(both) == [("draw", "draw"), ("look", "draw")]
    assert max(both["draw", "draw"]) <= 0.5
    plain = flow_model(sampler + " }", *others)
    assert noised(plain, captioned) == {}
    assert max(noised(plain, mixed())["draw", "draw"]) > 0.95


def test_a_picture_that_is_looked_at_with_noise_has_the_loss_of_its_noise() -> None:
    sampler, *others = DIFFUSION
    model = flow_model(sampler + ", before_text = 0.5 }", *others).eval()
    objective = objective_of(model, text_dropout=0.0)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sequence = objective.prepare_one(Conversation.asking("what?", picture, answer="red"), np.random.default_rng(1))
    batch = objective.collate([sequence])
    assert set(objective.counts(batch)) == {"understanding", "generation"}
    losses, _ = objective.losses(batch)
    pictures = batch.pictures["generation"]
    corrupted = pictures.corrupted
    assert corrupted is not None
    assert corrupted.times is not None
    x = model.drawn(pictures, "generation")
    noise = corrupted.noise(x)
    angle = (corrupted.times.double() + 0.008) / 1.008 * np.pi / 2
    kept = (angle.cos() ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2).float()[:, None, None]
    read = kept.sqrt() * x + (1 - kept).sqrt() * noise
    states = model.hidden(batch, features={"generation": model.embed_drawn(read, "generation", 0, corrupted)})
    head: Any = model.part("generation.head")
    predicted = head(states.flatten(0, 1)[pictures.positions], read, corrupted)
    assert losses["generation"].total.item() == pytest.approx(
        (predicted - noise).square().mean(-1).sum().item(), rel=1e-3
    )
    prompt = model.processor.sequence(Conversation.asking("what?", picture), answer=False)
    assert [span.kind for span in prompt.spans if span.kind != "text"] == ["look"]  # complete when it is asked about
