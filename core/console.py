"""Consoles for tables and coloured text, in which text from outside cannot control the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from .untrusted_text import printable


class SafeConsole(Console):
    """A console without markup, in which control characters of text are printed as escapes."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, file=file, quiet=quiet, highlight=False, markup=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, Text) and printable(renderable.plain, lines=True) != renderable.plain:
            renderable = _escaped(renderable)  # before it is wrapped, so that nothing is cropped
        for segment in super().render(renderable, options):
            safe = printable(segment.text, lines=True)
            yield segment if segment.control or safe == segment.text else Segment(safe, segment.style)


def _escaped(text: Text) -> Text:
    """The text with escapes, which have the styles of the characters that they replace."""
    result = text.blank_copy()
    for character in text.divide(range(1, len(text))):
        escaped = printable(character.plain, lines=True)
        if escaped == character.plain:
            result.append_text(character)
        else:
            result.append(escaped, next((span.style for span in reversed(character.spans)), character.style))
    return result
