"""The layout of Harmon is the chat template of Qwen2.5."""

from __future__ import annotations

import numpy as np
import pytest
from harmon_models import BUFFER, PLACES, model_of
from janiform import Conversation, Draw, Look, Turn, UsageError
from janiform_plugins.layouts.config import HarmonLayoutConfig


def test_turns_follow_one_another_as_in_chats() -> None:
    model = model_of()
    text = model.processor.text
    start, end, pad = (text.id_of(token) for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"))
    turns = (Turn("user", "one?"), Turn("assistant", "1"), Turn("user", "two?"), Turn("assistant", "2"))
    chat = model.processor.sequence(Conversation(turns, system="Count."))
    expected: list[int] = []
    for role, content in (("system", "Count."), ("user", "one?"), ("assistant", "1"), ("user", "two?")):
        parts = (f"{role}\n", content) if role == "assistant" else (f"{role}\n{content}",)
        written = [id for part in parts for id in text.encode(part)]
        expected += [start, *written, end, *text.encode("\n")]
    expected += [start, *text.encode("assistant\n"), *text.encode("2"), end]
    assert chat.ids == expected
    prompt = model.processor.sequence(Conversation(turns[:3], system="Count."), answer=False)
    assert prompt.ids == expected[: len(prompt)]
    document = model.processor.sequence(Conversation.document("a text"))
    assert document.ids == [pad, *text.encode("a text"), end]


def test_other_ways_to_draw_are_refused() -> None:
    model, picture = model_of(), np.zeros((16, 16, 3), np.uint8)
    two = Conversation((Turn("user", ("like", Look(picture))), Turn("assistant", (Draw(picture),))))
    with pytest.raises(UsageError, match="layout 'harmon' draws one picture from a text"):
        model.processor.sequence(two)
    with pytest.raises(ValueError, match=r"request 'a picture' has no '\{prompt\}'"):
        HarmonLayoutConfig(request="a picture")


def test_the_layout_is_qwen_s_template() -> None:
    model = model_of()
    layout, text = model.processor.layout, model.processor.text
    start, end, pad = (text.id_of(token) for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"))
    prompt = model.processor.drawing_prompt(" a cross ")
    asked = [start, *text.encode("user\nGenerate an image: a cross"), end, *text.encode("\n"), start]
    assert prompt.ids == [*asked, *text.encode("assistant\n")]
    blank = [start, *text.encode("user\nGenerate an image."), end, *text.encode("\n"), start]
    assert layout.unconditional(prompt).ids == [*blank, *text.encode("assistant\n")]
    picture = np.zeros((16, 16, 3), np.uint8)
    asking = model.processor.sequence(Conversation.asking("what is it?", picture, answer="red"))
    tokens = [pad] * (PLACES + BUFFER)
    expected = [
        *(start, *text.encode("user\n"), *tokens, *text.encode("\nwhat is it?"), end, *text.encode("\n"), start),
        *(*text.encode("assistant\n"), *text.encode("red"), end),
    ]
    assert asking.ids == expected
    assert [id for span in asking.spans if span.loss for id in span.ids] == [*text.encode("red"), end]
    drawing = model.processor.sequence(Conversation.drawing("a cross", picture))
    assert drawing.ids == [*prompt.ids, *tokens]
