"""Places that are hidden: their codes may be anything, and their vector is that of the mask."""

from __future__ import annotations

import pytest
import torch
from janiform import Codes, CompositionError, Corrupted, Grid, Hidden, build_model
from janiform_plugins.embeddings.config import TableConfig
from janiform_plugins.embeddings.table import TableEmbedding
from masked_models import masked_model, masked_plan

HIDDEN = Hidden(width=8, vocabulary=30, context=64, layers=1, kv_heads=1, head_width=8)
SHARED = {"use": "shared", "first": 300, "mask": 316}


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("positions", ["none", "waves"])
def test_a_table_gives_the_mask_for_hidden_places_whatever_their_codes_are(depth: int, positions: str) -> None:
    torch.manual_seed(depth)
    codes = Codes(vocabulary=5, grid=Grid(2, 3), width=8, depth=depth)
    embedding = TableEmbedding(TableConfig(mask=True, positions=positions), codes, HIDDEN)  # type: ignore[arg-type]
    drawn = torch.randint(0, 5, (4, 6, depth))
    hidden = torch.rand(4, 6) < 0.5
    spoiled = drawn.masked_fill(hidden[..., None], -1)
    vectors = embedding(spoiled, 0, Corrupted(hidden=hidden))
    assert torch.equal(vectors, embedding(drawn, 0, Corrupted(hidden=hidden)))
    assert torch.equal(vectors[~hidden], embedding(drawn)[~hidden])
    added = embedding.positions if embedding.positions is not None else torch.zeros(6, 8)
    assert torch.equal(vectors[hidden], (embedding.mask + added).expand(4, 6, 8)[hidden])
    assert torch.equal(embedding(drawn, 0, Corrupted(hidden=torch.zeros_like(hidden))), embedding(drawn))
    vectors.square().sum().backward()
    levels = torch.arange(depth) * 5
    used = (drawn[~hidden] + levels).flatten().unique()
    touched = embedding.table.weight.grad.abs().sum(-1).nonzero().flatten()
    assert touched.tolist() == used.tolist()
    assert bool(embedding.mask.grad.any())


def test_without_the_setting_a_table_has_the_weights_that_it_had() -> None:
    codes = Codes(vocabulary=5, grid=Grid(2, 3), width=8)
    torch.manual_seed(0)
    plain = TableEmbedding(TableConfig(), codes, HIDDEN)
    torch.manual_seed(0)
    masked = TableEmbedding(TableConfig(mask=True), codes, HIDDEN)
    assert list(plain.state_dict()) == ["table.weight"]
    assert torch.equal(plain.table.weight, masked.table.weight)


def test_a_shared_embedding_gives_the_backbones_vector_of_the_mask_token() -> None:
    model = build_model(
        masked_plan(embedding=SHARED, head={"use": "shared", "first": 300}, backbone={"vocabulary": 320})
    )
    drawn = torch.randint(0, 16, (3, 64, 1))
    hidden = torch.rand(3, 64) < 0.5
    embedding = model.part("generation.embedding")
    vectors = embedding(drawn.masked_fill(hidden[..., None], -1), 0, Corrupted(hidden=hidden))
    table = model.part("backbone").embed(torch.arange(320))
    assert torch.equal(vectors[hidden], table[316].expand(int(hidden.sum()), -1))
    assert torch.equal(vectors[~hidden], table[300:316][drawn[..., 0][~hidden]])
    assert torch.equal(embedding(drawn), table[300:316][drawn[..., 0]])


def test_the_mask_token_is_no_text_wherever_it_is() -> None:
    def text_ids(mask: int, first: int = 300) -> tuple[range, ...]:
        shared = {"use": "shared", "first": first}
        plan = masked_plan(
            embedding=shared | {"mask": mask}, head=shared, backbone={"vocabulary": 330}, text="text.vocabulary = 280"
        )
        return plan.text_ids

    assert text_ids(316) == (range(300),)
    assert text_ids(299) == (range(299),)
    assert text_ids(7) == (range(7), range(8, 300))
    assert text_ids(0) == (range(1, 300),)


@pytest.mark.parametrize(
    ("mask", "sentence"), [(300, "300 is that of a code, 300 .. 315"), (320, "320 is outside of it")]
)
def test_the_mask_token_has_an_id_of_its_own(mask: int, sentence: str) -> None:
    with pytest.raises(CompositionError, match=sentence):
        masked_plan(
            embedding=SHARED | {"mask": mask}, head={"use": "shared", "first": 300}, backbone={"vocabulary": 320}
        )


@pytest.mark.parametrize("embedding", [{"mask": False}, {"use": "shared"}])
def test_hidden_places_need_a_vector(embedding: dict[str, object]) -> None:
    with pytest.raises(CompositionError, match=r"hides places of a picture, but .* has no vector for them"):
        masked_plan(embedding=embedding, backbone={"vocabulary": 320})


def test_a_model_with_shared_ids_draws() -> None:
    settings = {"embedding": SHARED, "head": {"use": "shared", "first": 300}, "backbone": {"vocabulary": 320}}
    model = masked_model(**settings)
    from janiform import sampler_of

    prompt = model.processor.drawing_prompt("a red circle")
    codes = sampler_of(model.plan).draw(model, [prompt], seeds=[0])
    assert codes.shape == (1, 64, 1)
    assert 0 <= int(codes.min()) <= int(codes.max()) < 16
