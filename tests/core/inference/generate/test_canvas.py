"""Pictures that are read behind kept prompts, against one forward over everything, without a cache or padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import (
    Canvas,
    Conversation,
    Corrupted,
    Corruption,
    Guidance,
    Look,
    Sequence,
    Span,
    Turn,
    UnifiedModel,
    UsageError,
    generating,
)
from masked_models import masked_model
from torch import Tensor

CODES = 64


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    return masked_model(more='[layout]\nuse = "janus"\ndraws_from = ["understanding"]\n').double()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 16, 3), dtype=np.uint8)


def prompts_of(model: UnifiedModel) -> list[Sequence]:
    """Prompts of several lengths, two of which have pictures."""
    looks = [Turn("user", (Look(picture(0)), "a red", Look(picture(1)))), Turn("user", (Look(picture(2)), "two"))]
    prompts = ["a red circle", *(Conversation((turn,)) for turn in looks), "a small blue square, and another"]
    return [model.processor.drawing_prompt(prompt) for prompt in prompts]


def drawn(count: int, seed: int = 0) -> tuple[Tensor, Corrupted]:
    chance = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 16, (count, CODES, 1), generator=chance)
    return codes, Corrupted(hidden=torch.rand(count, CODES, generator=chance) < 0.6)


PAD = 3
CANVASES: dict[str, tuple[Span, ...]] = {
    "causal": (Span("draw", (PAD,) * CODES, "generation", loss=True),),
    "full": (Span("draw", (PAD,) * CODES, "generation", mask="full", loss=True),),
    "one block with its marks": (
        Span("text", (5,), block=1),
        Span("draw", (PAD,) * CODES, "generation", loss=True, block=1),
        Span("text", (6,), block=1),
    ),
    "marks of their own, and one position": (
        Span("text", (5, 7)),
        Span("draw", (PAD,) * CODES, "generation", mask="full", loss=True, positions="one"),
        Span("text", (6,)),
    ),
    "seen by its block alone": (
        Span("text", (5,), block=2, positions="one"),
        Span("draw", (PAD,) * CODES, "generation", loss=True, block=2, positions="one", seen_by="block"),
        Span("text", (6,)),
    ),
}


def alone(model: UnifiedModel, prompt: Sequence, canvas: tuple[Span, ...], codes: Tensor, hidden: Tensor) -> Tensor:
    """The logits [N, V] of one row's picture: everything as one sequence, as in training."""
    corruption = Corruption(hidden=hidden.numpy())
    spans = [evolve(span, picture=codes, corruption=corruption) if span.kind == "draw" else span for span in canvas]
    batch = model.processor.collate([Sequence((*prompt.spans, *spans))])
    pictures = batch.pictures["generation"]
    states = model.hidden(batch)[0, pictures.positions[-1]]
    logits: Tensor = model.part("generation.head")(states)
    return logits


def close(logits: Tensor, expected: Tensor) -> None:
    """The model computes in float64, and guidance mixes in float32."""
    torch.testing.assert_close(logits.float(), expected.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CANVASES)
@pytest.mark.parametrize(
    "guidance", [Guidance.plain(1.0), Guidance.plain(4.0), Guidance.nested(5.0, 2.0)], ids=["one row", "two", "three"]
)
def test_a_canvas_is_read_as_in_one_whole_forward(
    model: UnifiedModel, monkeypatch: pytest.MonkeyPatch, name: str, guidance: Guidance
) -> None:
    canvas = CANVASES[name]
    monkeypatch.setattr(model.processor.layout, "canvas", lambda pathway: Sequence(canvas), raising=False)
    prompts = prompts_of(model)
    with generating(model):
        read = Canvas(model, prompts, guidance)
        for step in range(3):  # each as if it were the first: nothing of a step before is kept
            codes, corrupted = drawn(len(prompts), step)
            assert corrupted.hidden is not None
            logits = read.logits(codes.masked_fill(corrupted.hidden[..., None], -1), corrupted)
            for row, prompt in enumerate(prompts):
                each = [
                    alone(model, model.processor.without(prompt, one.hidden), canvas, codes[row], corrupted.hidden[row])
                    for one in guidance.rows
                ]
                expected = sum(one.weight * some for one, some in zip(guidance.rows, each, strict=True))
                close(logits[row], expected)


def test_unconditional_prompts_may_have_other_lengths(model: UnifiedModel) -> None:
    prompts = prompts_of(model)
    others = [Sequence([Span("text", range(20, 20 + 9 * (row + 1)))]) for row in range(len(prompts))]
    codes, corrupted = drawn(len(prompts))
    assert corrupted.hidden is not None
    with generating(model):
        logits = Canvas(model, prompts, Guidance.plain(3.0), unconditional=others).logits(codes, corrupted)
        for row, (prompt, other) in enumerate(zip(prompts, others, strict=True)):
            yes, no = (
                alone(model, some, CANVASES["causal"], codes[row], corrupted.hidden[row]) for some in (prompt, other)
            )
            close(logits[row], no + 3.0 * (yes - no))


def test_pictures_of_a_batch_are_those_of_each_alone(model: UnifiedModel) -> None:
    prompts = prompts_of(model)
    codes, corrupted = drawn(len(prompts))
    assert corrupted.hidden is not None
    with generating(model):
        together = Canvas(model, prompts, Guidance.plain(2.0)).logits(codes, corrupted)
        for row, prompt in enumerate(prompts):
            one = Canvas(model, [prompt], Guidance.plain(2.0))
            logits = one.logits(codes[row : row + 1], Corrupted(hidden=corrupted.hidden[row : row + 1]))
            close(together[row], logits[0])


def test_what_it_cannot_read_is_refused(model: UnifiedModel, tiny_model: Any) -> None:
    with pytest.raises(UsageError, match="'understanding' is not a pathway that draws pictures as wholes"):
        Canvas(model, prompts_of(model), Guidance.plain(1.0), "understanding")
    with pytest.raises(UsageError, match="'generation' is not a pathway that draws pictures as wholes"):
        Canvas(tiny_model, [tiny_model.processor.drawing_prompt("two")], Guidance.plain(1.0))
    with pytest.raises(UsageError, match="at least one prompt"):
        Canvas(model, [], Guidance.plain(1.0))
    with pytest.raises(UsageError, match="64 positions of a picture do not fit"):
        Canvas(model, [Sequence([Span("text", [5] * 200)])], Guidance.plain(1.0))
