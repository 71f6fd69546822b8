"""A conversation of a record: turns that alternate, a system text, and pictures at their placeholders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import evolve
from janiform import Conversation, Draw, Look, SampleError, Turn
from PIL import Image

from .placeholders import Placeholders, Slot, check_text
from .turns import (
    AMBIGUOUS,
    NO_CONVERSATION,
    Message,
    check_media,
    check_picture_keys,
    differ,
    messages_of,
    only_value,
    system_texts,
)


def conversation_of(
    record: Mapping[str, Any],
    turns: Any,
    listed: Sequence[Any],
    open_picture: Callable[[Any], Image.Image],
    location: str,
    *,
    pathway: str = "",
    placeholders: Placeholders = "skip",
    max_unmarked: int | None = None,
) -> Conversation:
    """The turns of a record, with pictures to look at in a human's turn, and to draw in an answer.

    The pictures that the record lists take the placeholders in order; without any, they come before the first question,
    unless there are more than ``max_unmarked``.
    Answers before the first question and a last question without an answer are dropped. Raises ``SampleError``, with
    the ``location`` of the record, for what is not a conversation, or can be read in two ways.
    """
    check_media(record, location)
    messages = messages_of(turns, location, placeholders)
    system = _system(record, messages, location, placeholders)
    messages = _alternating(messages, location)
    if not listed and not any(message.slots for message in messages):
        check_picture_keys(record, location)
    if max_unmarked is not None and len(listed) > max_unmarked and not any(message.slots for message in messages):
        raise SampleError(f"{location}: {len(listed)} pictures, and no <image> that places them", AMBIGUOUS)
    messages = _with_listed(messages, listed, location)
    return Conversation(
        [Turn(message.role, tuple(_content(message, open_picture, pathway))) for message in messages],  # type: ignore[arg-type]
        system=system,
    )


def _content(message: Message, open_picture: Callable[[Any], Image.Image], pathway: str) -> Iterator[str | Look | Draw]:
    for is_text, pieces in groupby(message.pieces, lambda piece: isinstance(piece, str)):
        if is_text:
            yield "".join(map(str, pieces))  # one text, as a text tokenizer encodes pieces one by one
            continue
        for piece in pieces:
            assert isinstance(piece, Slot)
            picture = open_picture(piece.reference)
            yield Draw(picture) if message.role == "assistant" else Look(picture, pathway or "understanding")


def _system(
    record: Mapping[str, Any], messages: Sequence[Message], location: str, placeholders: Placeholders
) -> str | None:
    """The system text beside the turns, or in the first one."""
    texts = system_texts(record)
    if messages[0].role == "system":
        if messages[0].slots:
            raise SampleError(f"{location}: the system text holds a placeholder of a picture", "unknown placeholder")
        texts["turn 1"] = messages[0].text
    text = only_value(texts, location)
    if text is None:
        return None
    if not isinstance(text, str):
        raise SampleError(f"{location}: '{next(iter(texts))}' is not a text", NO_CONVERSATION)
    check_text(text, f"{location}: the system text", placeholders)
    return text


def _alternating(messages: Sequence[Message], location: str) -> list[Message]:
    """The turns from the first question to the last answer."""
    kept: list[Message] = []
    for number, message in enumerate(messages, start=1):
        if message.role == "system" and number == 1:
            continue
        if message.role == "assistant" and not kept:
            if message.slots:
                raise SampleError(f"{location}: turn {number} draws a picture before any question", NO_CONVERSATION)
        elif message.role != ("assistant" if len(kept) % 2 else "user"):
            reason = "human and gpt alternate, human first"
            raise SampleError(f"{location}: turn {number} has the wrong role: {reason}", NO_CONVERSATION)
        else:
            kept.append(message)
    if kept and kept[-1].role == "user" and not kept[-1].slots:
        kept.pop()
    if len(kept) < 2 or any(not message.text.strip() and not message.slots for message in kept):
        raise SampleError(f"{location}: a question or an answer is missing", NO_CONVERSATION)
    return kept


def _with_listed(messages: list[Message], listed: Sequence[Any], location: str) -> list[Message]:
    """The turns with the pictures that the record lists."""
    open_slots = sum(_is_open(piece) for message in messages for piece in message.pieces)
    slots = sum(message.slots for message in messages)
    if listed and not slots:
        first: list[str | Slot] = []
        for reference in listed:
            first += [Slot(reference), "\n"]
        return [evolve(messages[0], pieces=(*first, *messages[0].pieces)), *messages[1:]]
    if listed and slots > open_slots:
        reason = "pictures are listed by the record, and also given by its turns"
        raise SampleError(f"{location}: {reason}", AMBIGUOUS)
    if open_slots != len(listed):
        raise differ(open_slots, len(listed), location)
    remaining = iter(listed)
    return [
        evolve(message, pieces=tuple(Slot(next(remaining)) if _is_open(piece) else piece for piece in message.pieces))
        for message in messages
    ]


def _is_open(piece: str | Slot) -> bool:
    return isinstance(piece, Slot) and piece.reference is None
