"""Single-choice questions as VLMEvalKit asks them, and as the authors of Janus asked them in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from janiform import Conversation, Look, Turn

if TYPE_CHECKING:
    from janiform import Draw

BY_LETTER = "Answer with the option's letter from the given choices directly."


def option_lines(options: Mapping[str, str]) -> str:
    """One line ``A. text`` per option."""
    return "".join(f"{letter}. {text}\n" for letter, text in options.items())


def vlmevalkit_prompt(question: str, options: Mapping[str, str], hint: str = "") -> str:
    """VLMEvalKit's own prompt, for models without one of theirs."""
    start = f"Hint: {hint}\n" if hint else ""
    if not options:
        return f"{start}Question: {question}\n"
    lines = f"Options:\n{option_lines(options)}Please select the correct answer from the options above. \n"
    return f"{start}Question: {question}\n{lines}"


def janus_prompt(question: str, options: Mapping[str, str], hint: str = "") -> str:
    """The prompt of Janus in VLMEvalKit, which follows the pictures; a blank line precedes the instruction."""
    start = f"\nHint: {hint}\n" if hint else "\n"
    if not options:
        return f"{start}{question}\nAnswer the question directly. "
    return f"{start}{question}\n{option_lines(options)}\n{BY_LETTER}"


def conversation(pieces: Sequence[Any], system: str | None = None) -> Conversation:
    """A conversation of one turn of texts and pictures. Empty texts are left out."""
    content: list[str | Look | Draw] = [
        piece if isinstance(piece, str) else Look(piece) for piece in pieces if piece != ""
    ]
    return Conversation((Turn("user", content),), system)
