"""Pictures among what people type: paths that are quoted, escaped or dropped into a line, and addresses by mistake."""

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
"""Signs that may follow a path and are the sentence's."""


@frozen
class Line:
    """What was typed, taken apart."""

    text: str
    """What is said. A path in the middle of it stands there as "the picture"; before and after it, it is left out."""
    pictures: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Words that look like the name of a picture and are none; they are part of the text."""


def named_as_picture(text: str) -> bool:
    """Whether a text ends as the names of pictures do."""
    return os.path.splitext(text)[1].lower() in SUFFIXES  # noqa: PTH122 - a pathlib.Path cannot hold every text


def exists(path: str) -> bool:
    """Whether there is a file of this name; a text that no file can be called is none."""
    try:
        return os.path.exists(path)  # noqa: PTH110
    except ValueError:
        return False


def first_word(line: str) -> str:
    """The first word or quoted words of a line, as typed; "" where there is none."""
    found = _WORD.search(line)
    return found.group(0) if found else ""


def picture_path(typed: str) -> str | None:
    """The path of the file that somebody means: as typed, without escapes, below ``~``, or as a ``file:`` address."""
    plain = re.sub(r"\\(.)", r"\1", typed)
    forms = [typed, plain]
    with contextlib.suppress(ValueError):  # what no path can hold has no further forms
        forms.append(os.path.expanduser(plain))  # noqa: PTH111
        if typed.startswith("file://"):
            forms.append(unquote(urlsplit(typed).path))
    return next((form for form in forms if exists(form)), None)


def picture_paths(typed: str) -> list[str]:
    """One path or several, as they follow a command; a path with blanks that is alone needs no quotes.

    One that is not there is given as it was typed, for whoever opens it to say so.
    """
    whole = picture_path(typed.strip())
    if whole is not None:
        return [whole]
    words = [match.group(1) or match.group(2) or match.group(0) for match in _WORD.finditer(typed)]
    found = [picture_path(word) for word in words]
    if not any(found) and named_as_picture(typed.strip()):
        return [typed.strip()]
    return [path or word for path, word in zip(found, words, strict=True)]


def take_apart(line: str) -> Line:
    """The pictures in a line, by their paths, and what is said about them.

    Raises ``PictureError`` for a path or an address of a picture that cannot be had.
    """
    line = line.strip()
    whole = picture_path(line) if named_as_picture(line) else None
    if whole is not None:
        return Line("", (whole,))
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
    return Line(text, tuple(pictures), tuple(unknown))


def _candidates(line: str) -> Iterator[tuple[int, int, str]]:
    """Where in the line the names of pictures stand, and each without its quotes and what follows it."""
    for match in _WORD.finditer(line):
        quoted = match.group(1) or match.group(2)
        word = quoted or match.group(0).rstrip(_AFTER)
        if named_as_picture(word):
            yield match.start(), match.end() if quoted else match.start() + len(word), word


def _missing(typed: str) -> str:
    from ..pictures.read import is_address

    if is_address(typed):
        return f"'{typed}' is an address, and nothing is fetched: save the picture in a file and give its path"
    return f"there is no picture '{typed}'; nothing was said"
