"""Text from outside: file names, records, recipes, prompts, messages of plugins. It may hold anything.

It is made safe where it leaves: ``printable`` for a terminal, ``storable`` for a file, ``text_fault`` for a tokenizer.
"""

from __future__ import annotations

import re

MAX_TEXT = 16 << 20
"""Characters of one text that a tokenizer is given; a tokenizer takes some 25 times as many bytes of memory."""

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, which begin the escape sequences of a terminal
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that change the direction of text
    "\ud800-\udfff"  # halves of surrogate pairs, which stand for bytes of names that are not UTF-8
    "\U000e0000-\U000e007f]"  # invisible tags
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: object, *, lines: bool = False) -> str:
    """Return the text with every character that could control a terminal as an escape, such as ``\\x1b``.

    ``lines`` keeps line breaks and tabs. A value whose ``str`` fails is described by its type.
    """
    return _UNPRINTABLE.sub(lambda match: _escape(match.group(), lines), text_of(text))


def text_of(value: object) -> str:
    """Return ``str(value)``, or the name of the type where that fails, as it may for the errors of plugins."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def storable(text: str) -> str:
    """Return the text with halves of surrogate pairs as escapes, which are valid in JSON, so that UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def text_fault(text: str) -> str:
    """Return why a tokenizer cannot be given the text, as the end of a sentence; empty where it can."""
    if len(text) > MAX_TEXT:
        return f"has {len(text):,} characters; the limit is {MAX_TEXT:,}"
    if match := _SURROGATE.search(text):
        character = f"{match.group()!r}".strip("'")
        return f"is not valid Unicode: character {match.start() + 1} is {character}, half of a surrogate pair"
    return ""


def _escape(character: str, lines: bool) -> str:
    return character if lines and character in "\n\t" else repr(character)[1:-1]
