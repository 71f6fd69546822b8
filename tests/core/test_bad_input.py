"""What a model cannot have is refused in a sentence before it computes, and pictures suit weights of any type."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from janiform import (
    Conversation,
    Draw,
    Look,
    Model,
    Sequence,
    Span,
    Turn,
    UnifiedModel,
    UsageError,
    decode_codes,
    generate_codes,
    generate_text,
)
from PIL import Image


@pytest.fixture
def unified(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> UnifiedModel:
    """Nothing is computed where something is refused."""

    def compute(*_: Any) -> Any:
        raise AssertionError("it began to compute")

    monkeypatch.setattr(tiny_model.backbone, "forward", compute)
    return tiny_model


def with_id(model: UnifiedModel, id: int) -> Sequence:
    prompt = model.processor.sequence(Conversation.asking("a red circle"), answer=False)
    return Sequence((*prompt.spans, Span("text", [id])))


@pytest.mark.parametrize("id", [-1, 320, 10**9])
def test_ids_out_of_range(unified: UnifiedModel, id: int) -> None:
    said = f"prompt 2 has the id {id}; the model has embeddings for the ids 0 to 319"
    prompts = [with_id(unified, 319), with_id(unified, id)]
    with pytest.raises(UsageError, match=said):
        generate_text(unified, prompts, max_new_tokens=2)
    with pytest.raises(UsageError, match=said):
        generate_codes(unified, prompts)


CODES = np.arange(16)[:, None]


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (Draw(CODES + 9), "24 is not a valid code; the vocabulary has the codes 0 to 23"),
        (Draw(CODES - 1), "-1 is not a valid code"),
        (Draw(torch.from_numpy(CODES)[:5]), r"the codes of 'generation' must have the shape \[16, 1\], not \[5, 1\]"),
        (Look(torch.zeros(16, 16)), r"the pixels of a picture must have the shape \[3, h, w\], not \[16, 16\]"),
        (Look(torch.from_numpy(CODES)), r"takes pixels; got codes of the shape \[16, 1\]"),
    ],
)
def test_pictures_that_a_pathway_cannot_have(unified: UnifiedModel, picture: Look | Draw, said: str) -> None:
    role = "user" if isinstance(picture, Look) else "assistant"
    turns = [Turn("user", "draw"), Turn("assistant", ["yes"]), Turn("user", "what is it?")]
    turns.insert(2 if role == "user" else 1, Turn(role, [picture]))
    with pytest.raises(UsageError, match=said):
        Model(unified).reply(Conversation(turns))


def test_codes_that_are_no_codes_are_not_decoded(unified: UnifiedModel) -> None:
    for code in (-1, 24):
        with pytest.raises(UsageError, match=f"{code} is not a valid code"):
            decode_codes(unified, torch.full((1, 16, 1), code))


@pytest.mark.parametrize("seed", [-1, 1 << 63, 1.5, "1"])
def test_seeds_that_are_none(unified: UnifiedModel, seed: Any) -> None:
    calls: list[Callable[[Model], Any]] = [
        lambda model: model.ask_all([(None, "hi")], seed=[seed], temperature=1.0),
        lambda model: model.generate("hi", seed=[seed]),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"a seed must be a whole number from 0 to 2\^63 - 1, not"):
            call(Model(unified))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_pictures_are_looked_at_whatever_the_model_is_loaded_as(tiny_model: UnifiedModel, dtype: torch.dtype) -> None:
    model = copy.deepcopy(tiny_model).to(dtype)
    seen = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8))
    batch = model.processor.collate([model.processor.sequence(Conversation.asking("red?", seen), answer=False)])
    with torch.no_grad():
        given, expected = model.hidden(batch), tiny_model.hidden(batch)
        codes = model.drawn(model.processor.collate([drawn(model, seen)]).pictures["generation"], "generation")
    assert given.dtype == dtype
    assert (given - expected).abs().mean() < 0.2 * expected.abs().mean()
    assert codes.shape == (1, 16, 1)
    assert Model(model).ask(seen, "a red circle?", max_new_tokens=3) is not None


def drawn(model: UnifiedModel, picture: Image.Image) -> Sequence:
    return model.processor.sequence(Conversation.drawing("a red circle", picture))
