"""The forms of MMMU's questions: their texts, and where their pictures stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..choices import BY_LETTER, conversation, janus_prompt, option_lines, vlmevalkit_prompt
from .readers import numbers_of_pictures

if TYPE_CHECKING:
    from janiform import Conversation

    from .readers import Question

_SHORT_ANSWER = "Answer the question using a single word or phrase."


def question_text(question: Question, form: str) -> str:
    """The text of a question in a form; ``<image 1>`` stays in it."""
    text, options = question.text, question.options
    if form == "vlmevalkit":
        return vlmevalkit_prompt(text, options)
    if form == "janus":
        return janus_prompt(text, options)
    if form == "lmms-eval":
        return f"{text}\n{option_lines(options)}\n{BY_LETTER}" if options else f"{text}\n\n{_SHORT_ANSWER}"
    lines = "".join(f"({letter}) {option}\n" for letter, option in options.items())
    return f"{text}\n{lines}\n{BY_LETTER}" if options else f"{text}\n{_SHORT_ANSWER}"


def question_conversation(question: Question, form: str, pictures: str) -> Conversation:
    """The question as a conversation, with its pictures before the text or in place of their numbers.

    In the forms of the official code and of lmms-eval a line break follows pictures before the text, as in LLaVA.
    """
    text = question_text(question, form)
    numbers = numbers_of_pictures(text)
    if pictures == "interleaved" and numbers:
        pieces: list[Any] = re.split(r"<image (\d+)>", text)
        pieces[1::2] = [question.pictures[int(number) - 1] for number in pieces[1::2]]
        return conversation(pieces)
    present = [picture for picture in question.pictures if picture is not None]
    if pictures == "first":
        present = present[:1]
    elif pictures == "referenced" and numbers:
        present = [picture for number in sorted(set(numbers)) if (picture := question.pictures[number - 1])]
    return conversation([*present, "\n" if form in ("official", "lmms-eval") else "", text])
