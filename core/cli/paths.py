"""Pictures in typed lines: paths that are quoted, escaped or dropped into a line, and URLs by mistake."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from attrs import frozen

from ..errors import PictureError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm")

_WORD = re.compile(r"""'([^']+)'|"([^"]+)"|(?:\\.|\S)+""")
_AFTER = "?!.,;:)"
"""Punctuation that may follow a path and belongs to the sentence."""


@frozen
class ChatLine:
    """A typed line, separated into its text and its pictures."""

    text: str
    """The text without paths. A path in the middle of a sentence is replaced by "the picture"."""
    pictures: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Words that look like names of pictures but are not files; they remain part of the text."""


def named_as_picture(text: str) -> bool:
    """Whether a text ends with the suffix of a picture."""
    return os.path.splitext(text)[1].lower() in SUFFIXES  # noqa: PTH122 - a pathlib.Path cannot hold every text


def exists(path: str) -> bool:
    """Whether there is a file of this name; False for texts that cannot be names of files."""
    try:
        return os.path.exists(path)  # noqa: PTH110
    except ValueError:
        return False


def first_word(line: str) -> str:
    """The first word or quoted words of a line, as typed; "" where there is none."""
    match = _WORD.search(line)
    return match.group(0) if match else ""


def picture_path(typed: str) -> str | None:
    """The path of an existing file: as typed, without escapes, below ``~``, or as a ``file:`` URL; else None."""
    plain = re.sub(r"\\(.)", r"\1", typed)
    forms = [typed, plain]
    with contextlib.suppress(ValueError):  # a text that cannot be a path has no other form
        forms.append(os.path.expanduser(plain))  # noqa: PTH111
        if typed.startswith("file://"):
            forms.append(unquote(urlsplit(typed).path))
    return next((form for form in forms if exists(form)), None)


def picture_paths(typed: str) -> list[str]:
    """One path or several, as they follow a command; a single path with spaces needs no quotes.

    A path that does not exist is returned as typed, so that opening it reports the error.
    """
    whole = picture_path(typed.strip())
    if whole is not None:
        return [whole]
    words = [match.group(1) or match.group(2) or match.group(0) for match in _WORD.finditer(typed)]
    paths = [picture_path(word) for word in words]
    if not any(paths) and named_as_picture(typed.strip()):
        return [typed.strip()]
    return [path or word for path, word in zip(paths, words, strict=True)]


def parse_line(line: str) -> ChatLine:
    """Separate the paths of pictures in a line from its text.

    Raises ``PictureError`` for a path of a picture that does not exist, and for a URL.
    """
    line = line.strip()
    whole = picture_path(line) if named_as_picture(line) else None
    if whole is not None:
        return ChatLine("", (whole,))
    text, end = "", 0
    pictures: list[str] = []
    unknown: list[str] = []
    for start, stop, typed in _candidates(line):
        path = picture_path(typed)
        if path is None:
            if typed == line or any(sign in typed for sign in "/\\~"):
                raise PictureError(_missing(typed))
            unknown.append(typed)
            continue
        text += line[end:start]
        if text.strip() and not text.rstrip().endswith(tuple(_AFTER)):
            text += "the picture"
        pictures.append(path)
        end = stop
    text = re.sub(r"[ \t]+", " ", text + line[end:]).strip()
    return ChatLine(text, tuple(pictures), tuple(unknown))


def _candidates(line: str) -> Iterator[tuple[int, int, str]]:
    """The names of pictures in a line: start, end, and the name without quotes and punctuation."""
    for match in _WORD.finditer(line):
        quoted = match.group(1) or match.group(2)
        word = quoted or match.group(0).rstrip(_AFTER)
        if named_as_picture(word):
            yield match.start(), match.end() if quoted else match.start() + len(word), word


def _missing(typed: str) -> str:
    from ..pictures.read import is_address

    if is_address(typed):
        return f"'{typed}' is a URL, and nothing is downloaded: save the picture in a file and give its path"
    return f"there is no picture '{typed}'; the line was not sent"
