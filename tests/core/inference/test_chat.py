"""A conversation: it remembers what was said and seen, and what fails leaves it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import janiform
import numpy as np
import pytest
from janiform import Chat, Conversation, Look, Model, PictureError, Turn, UsageError, generate_text, provenance_of
from janiform.inference.chat import ContextError
from PIL import Image


@pytest.fixture(scope="module")
def model(tiny_model: janiform.UnifiedModel) -> Model:
    return Model(tiny_model)


@pytest.fixture
def chat(model: Model) -> Chat:
    return Chat(model, max_new_tokens=6)


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 16, 3), dtype=np.uint8))


def alone(model: Model, *turns: Turn) -> str:
    """What the model answers to the whole conversation at once."""
    sequence = model.model.processor.sequence(Conversation(turns), answer=False)
    return generate_text(model.model, [sequence], max_new_tokens=6)[0]


def test_every_answer_hangs_on_all_that_went_before(model: Model, chat: Chat) -> None:
    seen = picture()
    chat.look(seen)
    first = "".join(chat.say("a red circle?"))
    asked = Turn("user", (Look(seen), "\n", "a red circle?"))
    assert first == alone(model, asked)
    assert chat.waiting == 0
    second = "".join(chat.say("and the blue square?"))
    turns = (asked, Turn("assistant", first), Turn("user", "and the blue square?"))
    assert second == alone(model, *turns)
    assert chat.conversation == Conversation((*turns, Turn("assistant", second)))
    assert 0 < chat.left < chat.context
    chat.forget()
    assert chat.conversation is None
    assert "".join(chat.say("a red circle?")) == alone(model, Turn("user", "a red circle?"))


def test_what_was_answered_before_a_stop_is_kept(model: Model) -> None:
    chat = Chat(model, max_new_tokens=60)
    answer = chat.say("a red circle?")
    piece = next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert chat.conversation == Conversation((Turn("user", "a red circle?"), Turn("assistant", piece.strip())))
    whole = Chat(model, max_new_tokens=60)
    assert "".join(whole.say("a red circle?")).startswith(piece)


def test_a_drawn_picture_is_seen_next_and_the_last_of_several_alone(model: Model, chat: Chat) -> None:
    chat.look(picture())
    first, second = chat.draw("a red circle"), chat.draw("a red circle", guidance=2)
    assert [provenance_of(drawn).seed for drawn in (first, second)] == [0, 1]
    assert provenance_of(second).settings["guidance"] == 2
    assert chat.waiting == 2
    "".join(chat.say("what is it?"))
    assert chat.conversation is not None
    looks = [piece for piece in chat.conversation.turns[0].content if isinstance(piece, Look)]
    assert looks == [Look(picture()), Look(second)]


def test_what_fails_leaves_the_conversation_as_it_was(chat: Chat) -> None:
    "".join(chat.say("a red circle?"))
    chat.look(picture())
    before = chat.conversation
    wrong: list[tuple[type[Exception], Callable[[], Any]]] = [
        (UsageError, lambda: chat.say(" ")),
        (UsageError, lambda: chat.say("\ud800")),
        (ContextError, lambda: chat.say("red " * 300)),
        (UsageError, lambda: chat.draw("")),
        (PictureError, lambda: chat.look("nowhere.png")),
        (PictureError, lambda: chat.look("https://a.b/c.png")),
    ]
    for error, deed in wrong:
        with pytest.raises(error):
            deed()
    assert chat.conversation == before
    assert chat.waiting == 1


def test_an_error_while_answering_reaches_the_reader(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[str]:
        raise MemoryError("none left")

    monkeypatch.setattr("janiform.inference.answering.generate_text", fail)
    with pytest.raises(MemoryError):
        list(chat.say("a red circle?"))
    assert chat.conversation is None


def test_a_line_that_is_answered_with_nothing_was_not_said(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> Iterator[str]:
        return iter(())

    monkeypatch.setattr("janiform.inference.chat._stream", nothing)
    assert list(chat.say("a red circle?")) == []
    assert chat.conversation is None


def test_the_context_is_used_up_to_its_end(model: Model) -> None:
    chat = Chat(model, max_new_tokens=10_000)
    lines = iter(range(300))
    with pytest.raises(ContextError, match=r"256 has no room"):
        list(iter(lambda: "".join(chat.say(f"{next(lines)} red circles")), None))
    assert chat.conversation is not None
    assert chat.left < 40
