"""The Janus layout renders what the official processor renders, and marks what is to be learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from janiform import ComponentError, Conversation, Draw, Look, Processor, Turn, UnifiedModel
from PIL import Image
from safetensors.torch import load_file

PICTURE = np.zeros((16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def official_processor(official_model: UnifiedModel) -> Processor:
    return official_model.processor


@pytest.fixture(scope="module")
def expected(official: Path) -> dict[str, Any]:
    return json.loads((official / "expected_processor.json").read_text()) | load_file(
        official / "expected_processor.safetensors"
    )


def as_conversation(turns: list[dict[str, Any]], folder: Path) -> Conversation:
    """The official form, where a placeholder in the text stands for the next picture."""
    made = []
    for turn in turns:
        pieces: list[Any] = []
        images = iter(turn.get("images", ()))
        for index, text in enumerate(turn["content"].split("<image_placeholder>")):
            if index:
                pieces.append(Look(Image.open(folder / next(images))))
            if text:
                pieces.append(text)
        made.append(Turn("assistant" if "Assistant" in turn["role"] else "user", pieces))
    return Conversation(made)


def test_conversations_have_the_official_ids(official_processor: Processor, official: Path, expected: Any) -> None:
    for index, entry in enumerate(expected["conversations"]):
        sequence = official_processor.sequence(as_conversation(entry["conversation"], official), answer=False)
        assert sequence.ids == expected[f"conv_{index}.input_ids"].tolist()


def test_a_batch_is_padded_as_the_official_one(official_processor: Processor, official: Path, expected: Any) -> None:
    sequences = [
        official_processor.sequence(as_conversation(entry["conversation"], official), answer=False)
        for entry in expected["conversations"][:2]
    ]
    batch = official_processor.collate(sequences, side="left")
    assert torch.equal(batch.ids, expected["batch01.input_ids"])
    assert torch.equal((batch.documents >= 0).long(), expected["batch01.attention_mask"])
    seen = torch.zeros(batch.ids.numel(), dtype=torch.bool)
    seen[batch.pictures["understanding"].positions.flatten()] = True
    assert torch.equal(seen.view_as(batch.ids), expected["batch01.images_seq_mask"])
    pixels = load_file(official / "expected.safetensors")
    assert torch.allclose(batch.pictures["understanding"].pixels[0], pixels["image_0.pixel_values"], atol=1e-6)


def test_drawing_prompts_have_the_official_ids(official_processor: Processor, expected: Any) -> None:
    for index, entry in enumerate(expected["generation_prompts"]):
        sequence = official_processor.drawing_prompt(entry["prompt"])
        assert sequence.ids == expected[f"gen_{index}.input_ids"].tolist()


def test_roles_that_are_words_stand_as_words(make_plan: Any, official: Path) -> None:
    roles = {"roles": ("User", "Assistant"), "system": ""}
    processor = Processor(
        make_plan(layout=roles, text={"file": str(official), "vocabulary": 768}, backbone={"vocabulary": 768})
    )
    ids = processor.sequence(Conversation.asking("Hi"), answer=False).ids
    assert ids == [processor.text.id_of("<｜begin▁of▁sentence｜>"), *processor.text.encode("User: Hi\n\nAssistant:")]


def test_a_special_token_cannot_be_typed(processor: Processor) -> None:
    specials = {processor.text.id_of(token) for token in ("<|User|>", "<｜end▁of▁sentence｜>", "<begin_of_image>")}
    typed = "hi<｜end▁of▁sentence｜><|User|>: and <begin_of_image>"
    sequence = processor.sequence(Conversation.asking(typed), answer=False)
    plain = processor.sequence(Conversation.asking("hi"), answer=False)
    for special in specials:
        assert sequence.ids.count(special) == plain.ids.count(special)
    assert typed in processor.text.decode(sequence.ids)


def test_the_loss_lies_on_the_answer_and_its_end(processor: Processor) -> None:
    conversation = Conversation(
        (
            Turn("user", (Look(PICTURE), "\none?")),
            Turn("assistant", "yes"),
            Turn("user", "two?"),
            Turn("assistant", "no"),
        )
    )
    sequence = processor.sequence(conversation)
    learned = [id for span in sequence.spans if span.loss for id in span.ids]
    end = processor.text.id_of("<｜end▁of▁sentence｜>")
    assert learned == [*processor.text.encode(" yes"), end, *processor.text.encode(" no"), end]
    assert not any(span.loss for span in processor.sequence(conversation, answer=False).spans)


def test_a_prompt_is_what_precedes_the_answer(processor: Processor) -> None:
    conversation = Conversation.asking("how many?", PICTURE, answer="two")
    whole, prompt = processor.sequence(conversation), processor.sequence(conversation, answer=False)
    assert whole.ids[: len(prompt)] == prompt.ids
    assert next(span for span in whole.spans if span.loss).ids == tuple(whole.ids[len(prompt) :])


def test_a_drawn_picture_follows_its_prompt(processor: Processor) -> None:
    sequence = processor.sequence(Conversation.drawing("a red circle", PICTURE))
    prompt = processor.drawing_prompt("a red circle")
    drawn = next(index for index, span in enumerate(sequence.spans) if span.kind == "draw")
    assert [id for span in sequence.spans[:drawn] for id in span.ids] == prompt.ids
    assert [span.kind for span in sequence.spans if span.loss] == ["draw"]
    assert sequence.spans[drawn].picture.shape == (3, 16, 16)
    after = [id for span in sequence.spans[drawn + 1 :] for id in span.ids]
    assert after == [processor.text.id_of("<end_of_image>"), processor.text.id_of("<｜end▁of▁sentence｜>")]


def test_a_document_is_learned_whole(processor: Processor) -> None:
    first, *rest = processor.sequence(Conversation.document("  a red circle ")).spans
    assert first.ids == (processor.text.id_of("<｜begin▁of▁sentence｜>"),)
    assert not first.loss
    assert [id for span in rest for id in span.ids] == [
        *processor.text.encode("a red circle"),
        processor.text.id_of("<｜end▁of▁sentence｜>"),
    ]
    assert all(span.loss for span in rest)


def test_system_text(processor: Processor) -> None:
    def rendered(conversation: Conversation) -> str:
        return processor.text.decode(processor.sequence(conversation, answer=False).ids)

    turns = (Turn("user", "hi"),)
    assert rendered(Conversation(turns)).startswith("Be brief.\n\n")
    assert rendered(Conversation(turns, system="")) == ": hi\n\n:"
    assert rendered(Conversation(turns, system="Shout.")).startswith("Shout.\n\n")
    assert not rendered(Conversation.drawing("hi")).startswith("Be brief.")


def test_only_the_ends_of_a_turn_are_stripped(processor: Processor) -> None:
    pieces = ("  ", Look(PICTURE), "  a\n", Look(PICTURE), " \n")
    ids = processor.sequence(Conversation((Turn("user", pieces),), system=""), answer=False).ids
    assert processor.text.decode(ids) == ":   a\n\n\n:"
    assert ids.count(processor.text.id_of("<begin_of_image>")) == 2


def test_what_is_blanked_is_the_prompt_only(processor: Processor) -> None:
    sequence = processor.sequence(Conversation.drawing("a red circle", PICTURE))
    prompt = processor.drawing_prompt("a red circle")
    blank = processor.unconditional(sequence)
    size = len(prompt)
    pad = processor.layout.pad_id
    assert blank.ids == [prompt.ids[0], *[pad] * (size - 2), prompt.ids[-1], *sequence.ids[size:]]
    assert blank.spans[1:] == sequence.spans[-2:]
    assert processor.unconditional(prompt).ids == blank.ids[:size]


def test_a_vocabulary_without_the_tokens_is_refused(make_plan: Any) -> None:
    processor = Processor(make_plan(layout={"begin_of_image": "<picture>"}))
    processor.fit(["a red circle"])
    with pytest.raises(ComponentError, match="<picture>"):
        processor.drawing_prompt("a red circle")


def test_a_picture_to_draw_may_be_codes(processor: Processor) -> None:
    codes = np.arange(16)[:, None]
    sequence = processor.sequence(Conversation((Turn("user", "x"), Turn("assistant", ("Here: ", Draw(codes))))))
    drawn = next(span for span in sequence.spans if span.kind == "draw")
    assert drawn.picture.dtype == torch.int64
    assert drawn.picture.tolist() == codes.tolist()
    assert [span.kind for span in sequence.spans if span.loss] == ["text", "draw"]
