"""Conversations in LLaVA's format (https://github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md).

{"id": "…", "image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"},
                                                {"from": "gpt", "value": "A cat."}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from janiform import Conversation, Draw, Look, SampleError, Turn
from PIL import Image

from .records import checked_text

MARK = "<image>"
_ROLES: dict[str, Literal["user", "assistant", "system"]] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_KIND = "no conversation"


def conversation_of(turns: Any, pictures: Sequence[Image.Image], location: str, pathway: str = "") -> Conversation:
    """Turns with pictures in place of ``<image>``: to look at in a human's turn, to draw in an answer.

    Without marks, the pictures come before the first question. A last turn without an answer is dropped. Raises
    ``SampleError``, with the ``location`` of the record, for what is not a conversation, or where the numbers of marks
    and pictures differ.
    """
    texts, system = _read(turns, location)
    marks = sum(text.count(MARK) for _, text in texts)
    if pictures and not marks:
        texts[0] = (texts[0][0], f"{MARK}\n" * len(pictures) + texts[0][1])
    elif marks != len(pictures):
        raise SampleError(f"{location}: {marks} × {MARK}, but {len(pictures)} pictures", "pictures and marks differ")
    remaining = iter(pictures)
    return Conversation(
        [Turn(role, tuple(_pieces(text, role, remaining, pathway))) for role, text in texts], system=system
    )


def _pieces(
    text: str, role: Literal["user", "assistant"], pictures: Iterator[Image.Image], pathway: str
) -> Iterator[str | Look | Draw]:
    for number, piece in enumerate(text.split(MARK)):
        if number:
            picture = next(pictures)
            yield Draw(picture) if role == "assistant" else Look(picture, pathway or "understanding")
        if piece:
            yield piece


def _read(turns: Any, location: str) -> tuple[list[tuple[Literal["user", "assistant"], str]], str | None]:
    """The role and text of every turn, and the system text. Roles alternate, and the first is the user's."""
    if not isinstance(turns, list) or not turns:
        raise SampleError(f"{location}: there is no list of turns", _KIND)
    texts: list[tuple[Literal["user", "assistant"], str]] = []
    system = None
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise SampleError(f"{location}: turn {number} is not an object", _KIND)
        role = _ROLES.get(str(turn.get("from", turn.get("role"))))
        text = turn.get("value", turn.get("content"))
        if role is None or not isinstance(text, str):
            expected = '"from" ("human" or "gpt") and "value", a text'
            raise SampleError(f"{location}: turn {number} lacks {expected}", _KIND)
        checked_text(text, location)
        if role == "system" and number == 1:
            system = text
        elif role == "system" or role != ("assistant" if len(texts) % 2 else "user"):
            raise SampleError(
                f"{location}: turn {number} has the wrong role: human and gpt alternate, human first", _KIND
            )
        else:
            texts.append((role, text))
    if texts and texts[-1][0] == "user" and MARK not in texts[-1][1]:
        texts.pop()
    if len(texts) < 2 or any(not text.strip() for _, text in texts):
        raise SampleError(f"{location}: a question or an answer is missing", _KIND)
    return texts, system
