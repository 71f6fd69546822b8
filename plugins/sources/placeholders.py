"""Placeholders of pictures in texts: those that are read, and those of other formats, which are not trained as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from attrs import field, frozen
from janiform import SampleError, text_fault

MARK = "<image>"

Placeholders = Literal["skip", "text"]

_READ = re.compile(r"<image>|<image_placeholder>|<img>([^<>\n]{1,4096})</img>")
"""The marks of LLaVA and Janus for the next picture, and Qwen's mark, which holds the path of its picture."""

_UNKNOWN = re.compile(
    r"(?i:< ?\|?(?:(?:start|end|begin)_of_)?(?:images?|imgs?|videos?|audios?|speech|vision|visual|media)"
    r"(?:[_:-][a-z0-9]++|here|pad|token| ?\d++){0,3}+\|? ?/?>)"
    r"|</images?>|<im_(?:patch|start|end)>|\[(?:IMG|IMAGE|VIDEO|AUDIO)(?:_\w+)?\]|<ref-object>|<bbox>"
)
"""Marks of other media and other formats. Tags of HTML with attributes are not among them."""


@frozen
class Slot:
    """The position of a picture in a turn."""

    reference: Any = field(default=None, eq=False)
    """The picture, as ``references.open_picture`` takes it; None for the next one that the turn or the record lists."""


def split(text: str, where: str, placeholders: Placeholders) -> Iterator[str | Slot]:
    """The pieces of a text: slots where it marks pictures, and the texts between them.

    Raises ``SampleError`` for the placeholder of another format, unless ``placeholders`` makes it text.
    """
    start = 0
    for mark in _READ.finditer(text):
        yield from _checked(text[start : mark.start()], where, placeholders)
        yield Slot(mark[1])
        start = mark.end()
    yield from _checked(text[start:], where, placeholders)


def checked_text(text: str, where: str) -> str:
    """The text, which a tokenizer can encode. Raises ``SampleError`` where it cannot."""
    if fault := text_fault(text):
        raise SampleError(f"{where}: a text {fault}", "invalid text")
    return text


def check_text(text: str, where: str, placeholders: Placeholders) -> None:
    """Raise ``SampleError`` for any placeholder in a text that has no pictures of its own: a caption, a system text."""
    checked_text(text, where)
    if placeholders == "skip" and (mark := _READ.search(text) or _UNKNOWN.search(text)):
        raise _unknown(mark[0], where)


def _checked(text: str, where: str, placeholders: Placeholders) -> Iterator[str]:
    checked_text(text, where)
    if placeholders == "skip" and (mark := _UNKNOWN.search(text)):
        raise _unknown(mark[0], where)
    if text:
        yield text


def _unknown(mark: str, where: str) -> SampleError:
    message = f"{where} holds '{mark[:80]}', which does not stand for a picture here"
    return SampleError(f'{message}; placeholders = "text" trains it as text', "unknown placeholder")
