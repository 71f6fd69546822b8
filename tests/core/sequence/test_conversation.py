"""Conversations: what they hold, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from janiform import Conversation, Draw, JaniformError, Look, Turn

PICTURE = np.zeros((4, 4, 3), dtype=np.uint8)


def test_pictures_stand_on_lines_before_the_question() -> None:
    (turn,) = Conversation.asking("which?", PICTURE, PICTURE).turns
    assert turn.content == (Look(PICTURE), "\n", Look(PICTURE), "\n", "which?")
    assert turn.text == "\n\nwhich?"


def test_equality_looks_at_the_pixels() -> None:
    assert Conversation.drawing("x", PICTURE) == Conversation.drawing("x", PICTURE.copy())
    assert Conversation.drawing("x", PICTURE) != Conversation.drawing("x", PICTURE + 1)
    assert Draw() != Draw(PICTURE)


def test_what_draws_and_what_is_a_document() -> None:
    assert Conversation.drawing("x").draws
    assert not Conversation.asking("x", PICTURE).draws
    assert Conversation.document("x").is_document
    assert not Conversation.asking("x").is_document


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Turn("system", "x"), "'user' or 'assistant'"),
        (lambda: Turn("user", (PICTURE,)), "not ndarray"),
        (lambda: Turn("user", Draw()), "a user turn holds a Draw"),
        (lambda: Conversation(()), "at least one turn"),
    ],
)
def test_refused(make, says: str) -> None:
    with pytest.raises(JaniformError, match=says):
        make()
