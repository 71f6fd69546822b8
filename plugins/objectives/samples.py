"""Pictures and answers of a model in training, on one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from janiform import (
    Conversation,
    Draw,
    Look,
    Samples,
    Turn,
    contact_sheet,
    decode_codes,
    generate_text,
    sampler_of,
    to_pil,
)
from PIL import Image

if TYPE_CHECKING:
    from janiform import UnifiedModel

COUNT = 8
"""The maximum number of pictures to draw, and of questions to answer."""

ANSWER_TOKENS = 24


def samples(model: UnifiedModel, examples: Sequence[Conversation]) -> Samples | None:
    """Draw pictures for the first prompts among the examples, and answer the first questions about pictures.

    All are on one sheet, and the answers also as text, with the expected ones. None where the examples neither draw nor
    look.
    """
    drawn, answered = list(_drawn(model, examples)), list(_answered(model, examples))
    shown = drawn + [(picture, f"{question} {answer}") for picture, question, answer, _ in answered]
    if not shown:
        return None
    pictures, captions = zip(*shown, strict=True)
    sheet = contact_sheet(list(pictures), list(captions), columns=COUNT, cell=128)
    return Samples(sheet, tuple((question, answer, expected) for _, question, answer, expected in answered))


def _drawn(model: UnifiedModel, examples: Sequence[Conversation]) -> Iterator[tuple[Image.Image, str]]:
    wanted = [draw for example in examples if (draw := _prompt(example)) is not None][:COUNT]
    for pathway in dict.fromkeys(pathway for _, pathway in wanted):
        words = [words for words, of in wanted if of == pathway]
        prompts = [model.processor.drawing_prompt(text, pathway) for text in words]
        sampler = sampler_of(model.plan, pathway)
        codes = sampler.draw(model, prompts, pathway=pathway, seeds=range(len(prompts)))
        yield from zip(map(to_pil, decode_codes(model, codes, pathway=pathway)), words, strict=True)


def _prompt(example: Conversation) -> tuple[str, str] | None:
    """The prompt of the first picture that a conversation draws, and its pathway."""
    for turn, answer in zip(example.turns, example.turns[1:], strict=False):
        for piece in answer.content:
            if isinstance(piece, Draw) and turn.text.strip():
                return turn.text, piece.pathway
    return None


def _answered(model: UnifiedModel, examples: Sequence[Conversation]) -> Iterator[tuple[Image.Image, str, str, str]]:
    """Yield picture, question, answer, and expected answer."""
    asked = [asking for example in examples if (asking := _question(example)) is not None][:COUNT]
    if not asked:
        return
    prompts = [model.processor.sequence(conversation, answer=False) for conversation, _, _ in asked]
    answers = generate_text(model, prompts, max_new_tokens=ANSWER_TOKENS)
    for (conversation, picture, expected), answer in zip(asked, answers, strict=True):
        yield _to_pil(picture), conversation.turns[0].text.strip(), answer, expected


def _to_pil(picture: Any) -> Image.Image:
    return Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture


def _question(example: Conversation) -> tuple[Conversation, Any, str] | None:
    """A conversation cut to its first question about a picture; the picture; and the expected answer."""
    first: Turn = example.turns[0]
    looks = [piece for piece in first.content if isinstance(piece, Look)]
    if not looks:
        return None
    answer = example.turns[1].text.strip() if len(example.turns) > 1 else ""
    return Conversation((first,), example.system), looks[0].picture, answer
