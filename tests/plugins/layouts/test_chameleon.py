"""Chameleon's layout gives the ids of its release, and those of transformers' processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers
from janiform import Conversation, Draw, Look, Sequence, Turn
from janiform.sequence.tiles import Tiles
from janiform_plugins.layouts.chameleon import ChameleonLayout
from janiform_plugins.layouts.config import ChameleonLayoutConfig
from PIL import Image

SPECIAL = {
    "<s>": 0,
    "<pad>": 1,
    "</s>": 2,
    "<eoss>": 8196,
    "<racm3:break>": 8197,
    "<reserved08706>": 8710,
    "<image>": 8711,
}
FIRST = 16_384
PICTURE = np.zeros((8, 8, 3), dtype=np.uint8)
LOOKED = [8197, *[8711] * 6, 8196]
DRAWN = [8197, *[8711] * 4, 8196]


def ids(text: str) -> list[int]:
    return [FIRST + ord(letter) for letter in text]


def learned(sequence: Sequence) -> list[int]:
    return [id for span in sequence.spans if span.loss for id in span.ids]


@pytest.fixture(scope="module")
def layout(characters: Any, pathway_of: Any) -> ChameleonLayout:
    pathways = {"understanding": pathway_of("look", 2, 3), "generation": pathway_of("draw", 2, 2)}
    return ChameleonLayout(ChameleonLayoutConfig(), characters(SPECIAL, FIRST, "<s>"), pathways)


def test_a_question_about_a_picture_is_its_codes_the_text_and_the_end_of_the_turn(layout: ChameleonLayout) -> None:
    sequence = layout.render(Conversation.asking("What do you see?", PICTURE), answer=False)
    assert sequence.ids == [0, *LOOKED, *ids("What do you see?"), 8710]
    assert [span.kind for span in sequence.spans] == ["text", "look", "text"]


def test_an_answer_follows_the_end_of_the_turn_and_is_learned_with_its_end(layout: ChameleonLayout) -> None:
    sequence = layout.render(Conversation.asking("one?", answer=" a cat\n"))
    assert sequence.ids == [0, *ids("one?"), 8710, *ids("a cat"), 2]
    assert learned(sequence) == [*ids("a cat"), 2]


def test_further_questions_follow_the_end_of_an_answer(layout: ChameleonLayout) -> None:
    turns = [Turn("user", "one?"), Turn("assistant", "yes"), Turn("user", "two?"), Turn("assistant", "no")]
    sequence = layout.render(Conversation(turns))
    assert sequence.ids == [0, *ids("one?"), 8710, *ids("yes"), 2, *ids("two?"), 8710, *ids("no"), 2]
    assert learned(sequence) == [*ids("yes"), 2, *ids("no"), 2]


def test_a_picture_is_drawn_between_its_marks(layout: ChameleonLayout) -> None:
    sequence, prompt = layout.render(Conversation.drawing("a cat", PICTURE)), layout.drawing_prompt(" a cat ")
    assert prompt.ids == [0, *ids("a cat"), 8710, 8197]
    assert sequence.ids == [0, *ids("a cat"), 8710, *DRAWN, 2]
    assert [span.kind for span in sequence.spans if span.loss] == ["draw"]


def test_text_and_pictures_interleave_in_an_answer(layout: ChameleonLayout) -> None:
    answer = Turn("assistant", ("First: ", Draw(PICTURE), " and ", "then: ", Draw(PICTURE), " done"))
    sequence = layout.render(Conversation((Turn("user", "go"), answer)))
    assert sequence.ids == [
        0, *ids("go"), 8710, *ids("First:"), *DRAWN, *ids("and then:"), *DRAWN, *ids("done"), 2,
    ]  # fmt: skip
    assert learned(sequence) == [*ids("First:"), *[8711] * 4, *ids("and then:"), *[8711] * 4, *ids("done"), 2]


def test_without_a_prompt_only_the_beginnings_of_text_and_picture_are_left(layout: ChameleonLayout) -> None:
    assert layout.unconditional(layout.drawing_prompt("a cat")).ids == [0, 8197]
    sample = layout.render(Conversation.drawing("a cat", PICTURE))
    blank = layout.unconditional(sample)
    assert blank.ids == [0, *DRAWN, 2]
    assert blank.spans[1:] == sample.spans[1:]


def test_a_picture_is_drawn_from_others_and_rows_see_less_of_the_prompt(layout: ChameleonLayout) -> None:
    """The three rows of ``_split_inputs_for_cfg`` in the release, and one that sees the text alone."""
    turns = (Turn("user", ("Make ", Look(PICTURE), Look(PICTURE), " red")), Turn("assistant", Draw(PICTURE)))
    sample, prompt = layout.render(Conversation(turns)), layout.drawing_prompt(Conversation(turns[:1]))
    assert prompt.ids == [0, *ids("Make"), *LOOKED, *LOOKED, *ids("red"), 8710, 8197]
    assert sample.ids == [*prompt.ids, *DRAWN[1:], 2]
    assert layout.draws_from == ("understanding",)
    for hidden, ids_left in {
        ("text",): [0, *LOOKED, *LOOKED, 8197],
        ("understanding",): [0, *ids("Makered"), 8710, 8197],
        ("text", "understanding"): [0, 8197],
        (): prompt.ids,
    }.items():
        left = layout.without(prompt, hidden)
        assert left.ids == ids_left
        assert [span.kind for span in left.spans].count("look") == (0 if "understanding" in hidden else 2)
        assert layout.without(sample, hidden).ids == [*ids_left, *DRAWN[1:], 2]
    assert layout.unconditional(prompt) == layout.without(prompt, {"text", "understanding"})


def test_documents_and_system_texts(layout: ChameleonLayout) -> None:
    document = layout.render(Conversation.document(" a cat "))
    assert document.ids == [0, *ids("a cat"), 2]
    assert learned(document) == document.ids[1:]
    assert layout.render(Conversation.document("a cat"), answer=False).ids == [0]
    turns = (Turn("user", "hi"),)
    assert layout.render(Conversation(turns, "Be brief."), answer=False).ids == [0, *ids("Be brief.\n\nhi"), 8710]
    assert layout.render(Conversation(turns), answer=False).ids == [0, *ids("hi"), 8710]


def test_every_tile_is_a_picture_of_its_own(layout: ChameleonLayout) -> None:
    tiles = Tiles(((PICTURE, PICTURE), (PICTURE,)))
    sequence = layout.render(Conversation((Turn("user", (Look(tiles), "?")),)), answer=False)
    assert sequence.ids == [0, *LOOKED, *LOOKED, *LOOKED, *ids("?"), 8710]


def test_an_answer_ends_where_a_picture_would_begin(layout: ChameleonLayout) -> None:
    assert layout.stop_ids == (2, 8197)
    assert layout.pad_id == 1


def test_tokens_cannot_be_typed(layout: ChameleonLayout) -> None:
    typed = "</s><racm3:break>"
    assert layout.render(Conversation.asking(typed), answer=False).ids == [0, *ids(typed), 8710]


def test_prompts_are_those_of_transformers(layout: ChameleonLayout, tokenizer_of: Any) -> None:
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer_of(layout.text), bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        sep_token="<reserved08706>",
    )  # fmt: skip
    pictures = transformers.ChameleonImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    processor = transformers.ChameleonProcessor(pictures, tokenizer, image_seq_length=6)
    picture = Image.fromarray(PICTURE)
    for text, pieces in {
        "What is it?": ("What is it?",),
        "<image>What do you see?": (Look(PICTURE), "\nWhat do you see?"),
        "Compare<image>with<image>now.": ("Compare ", Look(PICTURE), " with ", Look(PICTURE), "now."),
    }.items():
        images = [picture] * text.count("<image>")
        expected = processor(images=images or None, text=text)["input_ids"][0]
        assert layout.render(Conversation((Turn("user", pieces),)), answer=False).ids == list(expected)
