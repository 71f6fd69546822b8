"""The arithmetic of a step is what torch counts in its forward and backward; pairs are those that see each other."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Batch, UnifiedModel
from janiform.compose import compose
from janiform.compose.selectors import select
from janiform.measure.content import content_of
from janiform.measure.work import forward_work, training_work
from janiform.model.build import build_model
from janiform.recipe import read_recipe_text
from janiform.sequence.batch import Pictures
from janiform_plugins.objectives.next_token import next_token_losses
from tiny_recipes import tiny_recipe
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

RECIPE = tiny_recipe(
    "small",
    backbone={"vocabulary": 512, "width": 128, "inner": 256, "layers": 3, "heads": 4},
    encoder={"image_size": 32, "width": 96, "layers": 3},
    tokenizer={"channels": 16, "multipliers": [1, 2], "latent": 16, "vocabulary": 256, "code_width": 8},
)
STAGES = {
    "adapters and head": ("understanding.adapter", "generation.adapter", "generation.embedding", "generation.head"),
    "all but the eyes": ("backbone", "understanding.adapter", "generation.adapter", "generation.embedding",
                         "generation.head"),
    "all but the tokenizer": ("backbone", "understanding", "generation.adapter", "generation.embedding",
                              "generation.head"),
    "the head": ("generation.head",),
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    torch.manual_seed(0)
    return build_model(compose(read_recipe_text(RECIPE)))


def packed(model: UnifiedModel, rows: int = 2) -> Batch:
    """Rows of one document without padding: text, a picture seen, text, a picture drawn, text."""
    looked, drawn = (model.plan.pathways[name].tokens for name in ("understanding", "generation"))
    length = 20 + looked + drawn
    start = torch.arange(rows)[:, None] * length
    seen = start + 5 + torch.arange(looked)
    made = start + 10 + looked + torch.arange(drawn)
    words = (start + torch.tensor([7 + looked, 8 + looked, 13 + looked + drawn])).flatten()
    return Batch(
        ids=torch.zeros(rows, length, dtype=torch.int64),
        positions=torch.arange(length).expand(rows, length),
        documents=torch.zeros(rows, length, dtype=torch.int64),
        blocks=torch.zeros(rows, length, dtype=torch.int64),
        pictures={
            "understanding": Pictures(torch.rand(rows, 3, 32, 32), None, seen),
            "generation": Pictures(torch.rand(rows, 3, 16, 16), None, made),
        },
        text={"understanding": words},
        codes={"generation": torch.arange(rows)},
    )


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_what_torch_counts(model: UnifiedModel, stage: str) -> None:
    batch = packed(model)
    chosen = select([name for name, _ in model.named_parameters()], STAGES[stage])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    # Fused kernels for the CPU are unknown to the counter, plain matrix products are not.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.stack([loss.mean for loss in next_token_losses(model, batch).values()]).sum().backward()
    content = content_of(batch)
    rows, length = batch.ids.shape
    # Short sequences are computed with all keys on the CPU, those that a mask hides among them.
    dense = evolve(content, pairs=rows * length**2)
    work = training_work(model.plan, forward_work(model.plan), chosen)
    assert work.of(dense) == pytest.approx(counter.get_total_flops(), rel=0.05)
    assert work.of(content) < work.of(dense)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=3), min_size=1, max_size=3), st.randoms())
def test_contents_are_counted_pair_by_pair(rows: list[list[int]], chance: object) -> None:
    width = max(sum(row) for row in rows) + 2
    documents, blocks = torch.full((len(rows), width), -1), torch.zeros(len(rows), width, dtype=torch.int64)
    for r, lengths in enumerate(rows):
        place = 0
        for number, length in enumerate(lengths):
            documents[r, place : place + length] = number
            if length > 2 and chance.random() < 0.5:  # type: ignore[attr-defined]
                blocks[r, place + 1 : place + length] = number + 1
            place += length
    zeros = torch.zeros_like(documents)
    batch = Batch(zeros, zeros, documents, blocks, {}, {"text": torch.zeros(5)}, {})
    pairs = sum(
        documents[r, q] >= 0
        and documents[r, q] == documents[r, k]
        and (k <= q or (blocks[r, q] > 0 and blocks[r, q] == blocks[r, k]))
        for r in range(len(rows))
        for q in range(width)
        for k in range(width)
    )
    content = content_of(batch)
    assert content.pairs == int(pairs)
    assert content.tokens == sum(map(sum, rows))
    assert (content.positions, content.predicted_text) == (documents.numel(), 5)
