"""The sequences of Show-o, token by token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from janiform import Codes, Conversation, Features, Grid, Span, UsageError
from janiform.compose.plan import PathwayShape
from janiform_plugins.layouts.config import ShowOLayoutConfig
from janiform_plugins.layouts.show_o import ShowOLayout

SPECIAL = {"<|endoftext|>": 0, "[PAD]": 1, "<|soi|>": 2, "<|eoi|>": 3, "<|t2i|>": 4, "<|mmu|>": 5}
END, PAD, SOI, EOI, DRAW, LOOK = SPECIAL.values()
PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def layout(characters: Any) -> ShowOLayout:
    codes = Codes(grid=Grid(2, 2), vocabulary=16, width=4)
    features = Features(4, 8, codes.grid)
    shapes = {
        name: PathwayShape(mode, 4, lambda: None, codes, features)
        for name, mode in (("understanding", "look"), ("generation", "draw"))
    }
    return ShowOLayout(ShowOLayoutConfig(longest_prompt=20), characters(SPECIAL, 100, ""), shapes)


def ids(text: str) -> list[int]:
    return [100 + ord(letter) for letter in text]


def test_a_picture_to_draw_is_one_block_with_its_marks(layout: ShowOLayout) -> None:
    sequence = layout.render(Conversation.drawing("a cat ", PICTURE))
    assert sequence.ids == [DRAW, END, *ids("a cat"), END, SOI, *[PAD] * 4, EOI]
    assert [(span.kind, span.block, span.loss) for span in sequence.spans] == [
        ("text", 0, False),
        ("text", 1, False),
        ("draw", 1, True),
        ("text", 1, False),
    ]
    prompt, canvas = layout.drawing_prompt("a cat"), layout.canvas("generation")
    assert (*prompt.spans, *canvas.spans) == sequence.spans
    assert layout.unconditional(sequence).ids == [DRAW, END, END, SOI, *[PAD] * 4, EOI]
    assert layout.unconditional(prompt).ids == [DRAW, END, END]


def test_a_long_prompt_is_cut_and_ends_as_all_do(layout: ShowOLayout) -> None:
    assert layout.drawing_prompt("x" * 50).ids == [DRAW, END, *ids("x" * 17), END]


def test_a_picture_to_look_at_is_one_block_with_all_before_it(layout: ShowOLayout) -> None:
    sequence = layout.render(Conversation.asking("why?", PICTURE, answer="so"))
    given = ids("USER: \nwhy? ASSISTANT:")
    assert sequence.ids == [LOOK, SOI, *[PAD] * 4, EOI, END, *given, *ids(" so"), END]
    assert [span.block for span in sequence.spans[:4]] == [1] * 4
    assert all(not span.block for span in sequence.spans[4:])
    assert sequence.spans[-1] == Span("text", (*ids(" so"), END), loss=True)
    prompt = layout.render(Conversation.asking("why?", PICTURE), answer=False)
    assert prompt.ids == sequence.ids[: len(prompt)] == [LOOK, SOI, *[PAD] * 4, EOI, END, *given]


def test_a_text_stands_alone(layout: ShowOLayout) -> None:
    assert layout.render(Conversation.document("once")).ids == [END, *ids("once"), END]


def test_a_caption_has_no_question(layout: ShowOLayout) -> None:
    sequence = layout.render(Conversation.asking("", PICTURE, answer="a cat"))
    assert sequence.ids == [LOOK, SOI, *[PAD] * 4, EOI, END, *ids("a cat"), END]


def test_pictures_are_drawn_from_a_text_alone(layout: ShowOLayout) -> None:
    conversation = Conversation.drawing("a cat", PICTURE, sources=[PICTURE], looks="understanding")
    with pytest.raises(UsageError, match="one picture from a text"):
        layout.render(conversation)
