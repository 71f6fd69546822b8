"""Harmon in small: hidden places are left out as if they were not there, between MAR's two halves, which are ViTs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from harmon_models import BUFFER, PLACES, TEXTS, conditions_of, encoded, model_of
from janiform import (
    Conversation,
    Corrupted,
    Grid,
    Guidance,
    Hidden,
    Latents,
    PlaceNoise,
    PlaceSampling,
    UnifiedModel,
    pack,
    sampler_of,
)
from janiform.model.picture_loss import picture_loss
from janiform_plugins.embeddings.config import MarEmbeddingConfig
from janiform_plugins.embeddings.mar import MarEmbedding, resized
from janiform_plugins.samplers.masked_latents.sampler import left_after
from torch import Tensor
from torch.nn.functional import interpolate


def draw(model: UnifiedModel, texts: list[str], seeds: list[int], **others: Any) -> Tensor:
    prompts = [model.processor.drawing_prompt(text) for text in texts]
    return sampler_of(model.plan).draw(model, prompts, seeds=seeds, **others)


def test_the_encoder_is_mar_s_with_hidden_places_dropped() -> None:
    torch.manual_seed(2)
    part = MarEmbedding(
        MarEmbeddingConfig(width=12, layers=3, heads=3, buffer=4), Latents(Grid(3, 4), 5), Hidden(8, 64, 64, 1, 1, 8)
    ).eval()
    latents, hidden = torch.randn(3, 12, 5), torch.rand(3, 12) < 0.6
    hidden[2] = False
    with torch.no_grad():
        given = part.encode(latents, Corrupted(hidden=hidden))
        for row in range(3):
            expected = encoded(part, latents[row], ~hidden[row])
            known = torch.cat((torch.ones(4, dtype=torch.bool), ~hidden[row]))
            assert torch.allclose(given[row, known], expected, atol=1e-5)
        vectors = part(latents, 0, Corrupted(hidden=hidden))
        assert torch.equal(vectors[:, -4:], given[:, :4])
        assert torch.equal(vectors[:, :-4], given[:, 4:])
        assert torch.allclose(part(latents)[2], vectors[2], atol=1e-6)
        spoiled = torch.where(hidden[..., None], torch.nan, latents)
        assert torch.equal(part(spoiled, 0, Corrupted(hidden=hidden)), vectors)


def test_positions_are_resized_bilinearly() -> None:
    table = torch.randn(1, 6, 4)
    planes = table.view(1, 2, 3, 4).permute(0, 3, 1, 2)
    expected = interpolate(planes, size=(4, 5), mode="bilinear").permute(0, 2, 3, 1).reshape(1, 20, 4)
    assert torch.allclose(resized(table, Grid(2, 3), Grid(4, 5)), expected, atol=1e-6)
    assert resized(table, Grid(2, 3), Grid(2, 3)) is table


@pytest.mark.parametrize("settings", [{}, {"guidance": 1.0}, {"steps": 16, "temperature": 0.7}])
def test_drawing_is_harmon_s_loop_without_a_cache(settings: dict[str, Any]) -> None:
    """Right-aligned prompts of several lengths in one batch, against each picture and each row alone."""
    model, seeds = model_of(), [3, 4]
    given = draw(model, TEXTS[:2], seeds, **settings)
    head: Any = model.part("generation.head")
    guidance = settings.get("guidance", 3.0)
    layout: Any = model.processor.layout
    for row, seed in enumerate(seeds):
        chance = torch.Generator().manual_seed(seed)
        order = torch.randperm(PLACES, generator=chance)
        x, known, before = torch.zeros(PLACES, 5), torch.zeros(PLACES, dtype=torch.bool), PLACES
        prompt = model.processor.drawing_prompt(TEXTS[row])
        rows = [prompt.ids, layout.unconditional(prompt).ids][: 1 if guidance == 1 else 2]
        for after in left_after(PLACES, settings.get("steps", 5)):
            chosen = order[after:before]
            conditions = torch.cat([conditions_of(model, ids, x, known)[chosen] for ids in rows])
            sampling = PlaceSampling(
                Guidance.plain(guidance), [chance], len(chosen), temperature=settings.get("temperature", 1.0)
            )
            x[chosen] = head.sample(conditions, sampling)
            known[chosen] = True
            before = after
        assert torch.allclose(given[row], x, atol=2e-3)


def samples(model: UnifiedModel, count: int) -> list[Any]:
    chance = np.random.default_rng(0)
    examples = [
        Conversation.drawing(TEXTS[i % 3], chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for i in range(count)
    ]
    return [model.processor.corrupted(model.processor.sequence(example), chance) for example in examples]


def test_the_loss_is_that_of_sequences_without_hidden_places() -> None:
    model = model_of()
    rows = samples(model, 3)
    head: Any = model.part("generation.head")
    for batch in (model.processor.collate(rows), pack(rows, 200, pad=model.processor.layout.pad_id)):
        pictures, indices = batch.pictures["generation"], batch.codes["generation"]
        drawn = model.drawn(pictures, "generation")
        states = model.hidden(batch, drawn={"generation": drawn}).flatten(0, 1)
        given = picture_loss(model, "generation", pictures, drawn, states, indices)
        total, count = 0.0, 0
        for row in rows:
            *prompt, picture = row.spans
            ids = [id for span in prompt for id in span.ids]
            hidden = torch.from_numpy(picture.corruption.hidden)
            index = pictures.corrupted.seeds.tolist().index(picture.corruption.seed)  # type: ignore[union-attr]
            places = hidden.nonzero().flatten()
            noise = PlaceNoise(torch.tensor([picture.corruption.seed]), places, PLACES)
            conditions = conditions_of(model, ids, drawn[index], ~hidden)
            loss = head.loss(conditions[places], drawn[index][places], noise)
            total, count = total + float(loss.total.detach()), count + int(loss.count)
        assert int(given.count) == count
        assert float(given.total.detach()) == pytest.approx(total, rel=2e-4)


def test_positions_behind_a_picture_do_not_count_what_is_hidden() -> None:
    model = model_of()
    (row,) = samples(model, 1)
    *_, picture = row.spans
    hidden = picture.corruption.hidden
    positions = row.positions
    start = sum(span.length for span in row.spans[:-1])
    assert positions[:start] == list(range(start))
    known = np.flatnonzero(~hidden)
    assert [positions[start + place] for place in known] == list(range(start, start + len(known)))
    assert positions[-BUFFER:] == list(range(start + len(known), start + len(known) + BUFFER))
    assert model.processor.collate([row]).seen[0, start : start + PLACES].tolist() == [-int(h) for h in hidden]  # type: ignore[index]


def test_looking_reads_a_whole_picture_and_the_buffer() -> None:
    model = model_of()
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sequence = model.processor.sequence(Conversation.asking("what is it?", picture, answer="red"))
    batch = model.processor.collate([sequence])
    assert batch.pictures["understanding"].positions.shape == (1, PLACES + BUFFER)
    assert batch.seen is None
    latents = model.drawn(batch.pictures["understanding"], "understanding")[0]
    vectors = encoded(model.part("generation.embedding"), latents, torch.ones(PLACES, dtype=torch.bool))
    read = model.part("generation.adapter")(torch.cat((vectors[BUFFER:], vectors[:BUFFER])))
    embedded = model.embed_pictures(batch.pictures["understanding"], "understanding")
    assert torch.allclose(embedded[0], read, atol=1e-5)
