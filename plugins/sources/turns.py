"""Turns of a conversation, read from the formats in which people have them into one form.

LLaVA and ShareGPT  {"conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", …}]}
OpenAI              {"messages": [{"role": "user", "content": [{"type": "text", …}, {"type": "image_url", …}]}, …]}
transformers        the same, with {"type": "image"} for the next picture of the record, or with its "path" or "url"
Janus               [{"role": "<|User|>", "content": "<image_placeholder>\\nWhat is it?", "images": ["a.png"]}, …]
ms-swift            {"query": "<image>What is it?", "response": "A cat.", "history": [["Hello!", "Hi."]]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import frozen
from janiform import SampleError

from .placeholders import Placeholders, Slot, split
from .references import is_blank, is_reference

Role = Literal["user", "assistant", "system"]

NO_CONVERSATION = "no conversation"
AMBIGUOUS = "ambiguous sample"

TURN_KEYS = ("conversations", "messages", "conversation")
"""Keys of the list of turns in a record."""

PICTURE_KEYS = ("image", "images")
_SYSTEM_KEY = re.compile(r"(?i:sys(?:tem)?[ _-]?(?:prompts?|messages?|texts?|instructions?)?)")
_OTHER_MEDIA = ("video", "videos", "audio", "audios")

_UNREAD_PICTURE_KEY = re.compile(
    r"(?i:(?:img|image|picture|photo)s?(?:[ _-]?(?:paths?|files?|filenames?|names?|urls?|bytes|base64))?)"
)
"""Keys under which other formats keep pictures. Beside turns without pictures they would be lost unnoticed."""

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}

_TEXT_PARTS = ("text", "input_text", "output_text")
_PICTURE_PARTS = ("image", "image_url", "input_image")
_PICTURE_FIELDS = ("image", "image_url", "input_image", "source", "url", "path", "bytes", "base64", "data")

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "tool_calls": ([], ""),
    "function_call": ({}, ""),
    "weight": (1,),
    "loss": (True,),
    "train": (True,),
    **dict.fromkeys(_OTHER_MEDIA, ([], "")),
}
"""Keys of a turn that would change what is trained, and the values with which they do not."""


@frozen
class Message:
    """One turn: texts, and slots for its pictures."""

    role: Role
    pieces: tuple[str | Slot, ...]

    @property
    def text(self) -> str:
        """The text without pictures."""
        return "".join(piece for piece in self.pieces if isinstance(piece, str))

    @property
    def slots(self) -> int:
        """The number of pictures."""
        return sum(isinstance(piece, Slot) for piece in self.pieces)


def turns_of(record: Mapping[str, Any], location: str) -> Any:
    """The turns of a record in its own format, or None. Raises ``SampleError`` where it has two lists that differ."""
    turns = {key: record[key] for key in TURN_KEYS if record.get(key) is not None}
    if record.get("query") is not None or record.get("response") is not None:
        turns["query"] = _from_query(record, location)
    if not turns and record.get("content", record.get("value")) is not None:
        reason = 'the record is a turn instead of a conversation: {"messages": [turn, …]}'
        raise SampleError(f"{location}: {reason}", NO_CONVERSATION)
    return only_value(turns, location)


def only_value(values: Mapping[str, Any], location: str) -> Any:
    """The value of keys that mean the same, or None. Raises ``SampleError`` where their values differ."""
    (first, value), *others = values.items() or [("", None)]
    for key, other in others:
        if other != value:
            raise SampleError(f"{location}: '{first}' and '{key}' differ, and mean the same", AMBIGUOUS)
    return value


def system_texts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The system texts beside the turns of a record: ``system``, ``system_prompt``, ``systemMessage``, …"""
    return {key: value for key, value in record.items() if value is not None and _SYSTEM_KEY.fullmatch(key)}


def check_media(record: Mapping[str, Any], location: str) -> None:
    """Raise ``SampleError`` for a record with a video or sound."""
    for key in _OTHER_MEDIA:
        value = record.get(key)
        if not is_blank(value) and value not in ([], ""):
            raise SampleError(f"{location}: the record has '{key}'; text and pictures are read", "unsupported medium")


def check_picture_keys(record: Mapping[str, Any], location: str) -> None:
    """Raise ``SampleError`` for a record that keeps pictures under a key that is not read."""
    for key, value in record.items():
        unread = key not in PICTURE_KEYS and _UNREAD_PICTURE_KEY.fullmatch(key)
        if unread and not is_blank(value) and value not in ([], ""):
            reason = f"the record has '{key}', which is not read: pictures stand under 'image' or 'images'"
            raise SampleError(f"{location}: {reason}", "missing picture")


def messages_of(turns: Any, location: str, placeholders: Placeholders) -> list[Message]:
    """All turns, among them those with a system text. Raises ``SampleError``."""
    if isinstance(turns, Mapping):
        turns = _transposed(turns)
    if not isinstance(turns, list) or not turns:
        raise SampleError(f"{location}: there is no list of turns under 'conversations' or 'messages'", NO_CONVERSATION)
    return [_message(turn, f"{location}: turn {number}", placeholders) for number, turn in enumerate(turns, start=1)]


def pictures_of(record: Mapping[str, Any], location: str) -> list[Any]:
    """References of the pictures that a record, or a turn, lists. Raises ``SampleError``."""
    values = {key: record[key] for key in PICTURE_KEYS if not is_blank(record.get(key)) and record[key] != []}
    listed = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
    references = only_value(listed, location) or []
    if not all(map(is_reference, references)):
        key = next(iter(listed))
        raise SampleError(f'{location}: "{key}" must be a path or a list of paths', "missing picture")
    return list(references)


def _message(turn: Any, where: str, placeholders: Placeholders) -> Message:
    if not isinstance(turn, Mapping):
        raise SampleError(f"{where} is not an object", NO_CONVERSATION)
    names = {key: _role(turn[key]) for key in ("from", "role") if turn.get(key) is not None}
    role = only_value(names, where)
    content = only_value({key: turn[key] for key in ("value", "content") if turn.get(key) is not None}, where)
    for key, neutral in _NEUTRAL.items():
        value = turn.get(key)
        if not is_blank(value) and value not in neutral:
            raise SampleError(f"{where} has '{key}', which is not supported", "unsupported turn")
    if role is None and names:
        unknown = next(str(turn[key])[:80] for key in names)
        raise SampleError(f"{where} has the role '{unknown}'; user, assistant and system are read", "unsupported turn")
    if role is None or not isinstance(content, str | list | Mapping):
        raise SampleError(f'{where} lacks "from" ("human" or "gpt") and "value", a text', NO_CONVERSATION)
    if isinstance(content, str):
        pieces = list(split(content, where, placeholders))
    else:
        parts = [content] if isinstance(content, Mapping) else content
        pieces = list(_parts(parts, where, placeholders))
        pieces = list(_on_lines(pieces)) if role == "user" else pieces
    references = pictures_of(turn, where)
    return Message(role, tuple(_with_own(pieces, references, role, where) if references else pieces))


def _role(value: Any) -> Role | None:
    return _ROLES.get(str(value).strip().removeprefix("<|").removesuffix("|>").lower())


def _parts(parts: Sequence[Any], where: str, placeholders: Placeholders) -> Iterator[str | Slot]:
    """The pieces of content parts."""
    for part in parts:
        if isinstance(part, str):
            yield from split(part, where, placeholders)
            continue
        if not isinstance(part, Mapping):
            raise SampleError(f"{where} has a part that is not an object", NO_CONVERSATION)
        text = part.get("text")
        fields = {key: part[key] for key in _PICTURE_FIELDS if not is_blank(part.get(key))}
        kind = part.get("type") or ("text" if text is not None else "image" if fields else None)
        if kind in _TEXT_PARTS and isinstance(text, str) and not fields:
            yield from split(text, where, placeholders)
        elif kind in _PICTURE_PARTS and text in (None, ""):
            yield Slot(_reference(fields, where))
        else:
            kind = str(kind)[:80]
            raise SampleError(f"{where} has a part of the type '{kind}'; text and images are read", "unsupported part")


def _reference(fields: Mapping[str, Any], where: str) -> Any:
    if not fields:
        return None
    if not set(fields) - {"url", "path", "bytes", "base64", "data"}:
        return fields
    return only_value(fields, where)


def _on_lines(pieces: Sequence[str | Slot]) -> Iterator[str | Slot]:
    """Pieces with each picture on a line of its own, as in a question to the model."""
    for number, piece in enumerate(pieces):
        before = pieces[number - 1] if number else "\n"
        if Slot in (type(before), type(piece)):
            is_broken = isinstance(before, str) and before.endswith("\n")
            is_broken |= isinstance(piece, str) and piece.startswith("\n")
            if not is_broken:
                yield "\n"
        yield piece


def _with_own(pieces: Sequence[str | Slot], references: Sequence[Any], role: Role, where: str) -> Iterator[str | Slot]:
    """Pieces whose slots have the pictures that the turn lists; without slots, the pictures come before a question."""
    slots = [piece for piece in pieces if isinstance(piece, Slot)]
    remaining = iter(references)
    if not slots and (role == "user" or not pieces):
        for reference in remaining:
            yield Slot(reference)
            if pieces:
                yield "\n"
    elif len(slots) != len(references) or any(slot.reference is not None for slot in slots):
        raise differ(len(slots), len(references), where)
    for piece in pieces:
        yield Slot(next(remaining)) if isinstance(piece, Slot) else piece


def differ(marks: int, pictures: int, where: str) -> SampleError:
    """The error for numbers of placeholders and pictures that differ."""
    return SampleError(f"{where}: {marks} × <image>, but {pictures} pictures", "pictures and marks differ")


def _from_query(record: Mapping[str, Any], location: str) -> list[dict[str, Any]]:
    history = record.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise SampleError(f"{location}: 'history' is not a list of pairs of question and answer", NO_CONVERSATION)
    texts = [text for pair in history for text in pair] + [record.get("query"), record.get("response")]
    if not all(isinstance(text, str) for text in texts):
        raise SampleError(f"{location}: 'query', 'response' and 'history' must be texts", NO_CONVERSATION)
    return [{"from": ("user", "assistant")[number % 2], "value": text} for number, text in enumerate(texts)]


def _transposed(columns: Mapping[str, Any]) -> Any:
    """Turns from an object of lists, as `datasets` stores a sequence of objects."""
    lists = {key: value for key, value in columns.items() if isinstance(value, list)}
    if not lists or len(lists) < len(columns) or len({len(value) for value in lists.values()}) != 1:
        return None
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
