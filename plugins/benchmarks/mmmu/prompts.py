"""The forms of MMMU's questions: their texts, and where their pictures stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..choices import BY_LETTER, conversation, janus_prompt, option_lines, vlmevalkit_prompt

if TYPE_CHECKING:
    from janiform import Conversation

    from .readers import MMMUQuestion

LAYOUTS = {
    "official": "first",
    "llava": "first",
    "vlmevalkit": "interleaved",
    "lmms-eval": "referenced",
    "janus": "all",
}
"""Where the pictures stand, by the evaluator of the prompt."""

_SHORT_ANSWER = "Answer the question using a single word or phrase."


def question_text(question: MMMUQuestion, evaluator: str) -> str:
    """The text of a question as an evaluator asks it; ``<image 1>`` stays in it."""
    text, options = question.question, question.options
    if evaluator == "vlmevalkit":
        return vlmevalkit_prompt(text, options)
    if evaluator == "janus":
        return janus_prompt(text, options)
    if evaluator == "lmms-eval":
        return f"{text}\n{option_lines(options)}\n{BY_LETTER}" if options else f"{text}\n\n{_SHORT_ANSWER}"
    lines = "".join(f"({letter}) {option}\n" for letter, option in options.items())
    return f"{text}\n{lines}\n{BY_LETTER}" if options else f"{text}\n{_SHORT_ANSWER}"


def question_conversation(question: MMMUQuestion, evaluator: str, layout: str) -> Conversation:
    """The question as a conversation, with its pictures before the text or in place of their numbers.

    A line break separates pictures from the text after them; the prompt of Janus begins with it.
    """
    text = question_text(question, evaluator)
    numbers = numbers_of_pictures(text)
    if layout == "interleaved" and numbers:
        pieces: list[Any] = re.split(r"<image (\d+)>", text)
        pieces[1::2] = [question.pictures[int(number) - 1] for number in pieces[1::2]]
        return conversation(pieces)
    present = [picture for picture in question.pictures if picture is not None]
    if layout == "first":
        present = present[:1]
    elif layout == "none":
        present = []
    elif layout == "referenced" and numbers:
        present = [picture for number in sorted(set(numbers)) if (picture := question.pictures[number - 1])]
    return conversation([*present, "\n" if present and evaluator != "janus" else "", text])


def numbers_of_pictures(text: str) -> list[int]:
    """The numbers in ``<image 1>``, ``<image 2>``, … of a text, in their order."""
    return [int(number) for number in re.findall(r"<image (\d+)>", text)]
