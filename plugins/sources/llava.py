"""Conversations in LLaVA's layout (https://github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md).

{"id": "…", "image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"},
                                                {"from": "gpt", "value": "A cat."}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from janiform import Conversation, Draw, Look, SampleError, Turn
from PIL import Image

MARK = "<image>"
_ROLES: dict[str, Literal["user", "assistant", "system"]] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_KIND = "no conversation"


def conversation_of(said: Any, pictures: Sequence[Image.Image], place: str, pathway: str = "") -> Conversation:
    """Turns with the pictures where ``<image>`` stands: to look at in what a human says, to draw in an answer.

    Where nothing says where they go, pictures come before the first question. A last turn without an answer is dropped.
    Raises ``SampleError`` for what is no conversation, or has another number of marks than of pictures.
    """
    turns, system = _read(said, place)
    marks = sum(text.count(MARK) for _, text in turns)
    if pictures and not marks:
        turns[0] = (turns[0][0], f"{MARK}\n" * len(pictures) + turns[0][1])
    elif marks != len(pictures):
        raise SampleError(f"{place}: {marks} × {MARK}, but {len(pictures)} pictures", "pictures and marks differ")
    left = iter(pictures)
    return Conversation([Turn(role, tuple(_pieces(text, role, left, pathway))) for role, text in turns], system=system)


def _pieces(
    text: str, role: Literal["user", "assistant"], pictures: Iterator[Image.Image], pathway: str
) -> Iterator[str | Look | Draw]:
    for number, piece in enumerate(text.split(MARK)):
        if number:
            picture = next(pictures)
            yield Draw(picture) if role == "assistant" else Look(picture, pathway or "understanding")
        if piece:
            yield piece


def _read(said: Any, place: str) -> tuple[list[tuple[Literal["user", "assistant"], str]], str | None]:
    """Role and text of every turn, and the system text. The first turn is the user's, and they alternate."""
    if not isinstance(said, list) or not said:
        raise SampleError(f"{place}: there is no list of turns", _KIND)
    turns: list[tuple[Literal["user", "assistant"], str]] = []
    system = None
    for number, turn in enumerate(said, start=1):
        if not isinstance(turn, dict):
            raise SampleError(f"{place}: turn {number} is no object", _KIND)
        role = _ROLES.get(str(turn.get("from", turn.get("role"))))
        text = turn.get("value", turn.get("content"))
        if role is None or not isinstance(text, str):
            wanted = '"from" ("human" or "gpt") and "value", a text'
            raise SampleError(f"{place}: turn {number} lacks {wanted}", _KIND)
        if role == "system" and number == 1:
            system = text
        elif role == "system" or role != ("assistant" if len(turns) % 2 else "user"):
            raise SampleError(f"{place}: turn {number} is out of turn: human and gpt alternate, human first", _KIND)
        else:
            turns.append((role, text))
    if turns and turns[-1][0] == "user" and MARK not in turns[-1][1]:
        turns.pop()
    if len(turns) < 2 or any(not text.strip() for _, text in turns):
        raise SampleError(f"{place}: a question or an answer is missing", _KIND)
    return turns, system
