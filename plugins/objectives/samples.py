"""Pictures and answers of a model in training, on one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
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
from janiform import Sequence as Spans
from PIL import Image

if TYPE_CHECKING:
    from janiform import UnifiedModel

COUNT = 8
"""The maximum number of pictures to draw, and of questions to answer."""

ANSWER_TOKENS = 24


GIVEN = "given"
"""The caption of a picture that another is drawn from, or that a question is about beside another."""


def samples(model: UnifiedModel, examples: Sequence[Conversation]) -> Samples | None:
    """Draw pictures for the first examples that draw, and answer the first questions about pictures.

    All are on one sheet, and the answers also as text, with the expected ones. A picture follows those that it is drawn
    from, and a question stands under the last of its pictures. None where the examples neither draw nor look. Examples
    that the context has no room for are left out.
    """
    drawn, answered = list(_drawn(model, examples)), list(_answered(model, examples))
    shown = drawn + [
        pair for pictures, question, answer, _ in answered for pair in _captioned(pictures, question, answer)
    ]
    if not shown:
        return None
    pictures, captions = zip(*shown, strict=True)
    sheet = contact_sheet(list(pictures), list(captions), columns=COUNT, cell=128)
    return Samples(sheet, tuple((question, answer, expected) for _, question, answer, expected in answered))


@frozen(eq=False)
class _Drawing:
    """Everything before the first picture that a conversation draws, and the words before it."""

    prompt: Spans
    pathway: str
    words: str
    given: tuple[Image.Image, ...]


def _drawn(model: UnifiedModel, examples: Sequence[Conversation]) -> Iterator[tuple[Image.Image, str]]:
    """Yield pictures with captions: those that are given, and after them the one that is drawn."""
    wanted = [drawing for example in examples if (drawing := _drawing(model, example)) is not None][:COUNT]
    for pathway in dict.fromkeys(drawing.pathway for drawing in wanted):
        some = [drawing for drawing in wanted if drawing.pathway == pathway]
        sampler = sampler_of(model.plan, pathway)
        codes = sampler.draw(model, [one.prompt for one in some], pathway=pathway, seeds=range(len(some)))
        for drawing, pixels in zip(some, decode_codes(model, codes, pathway=pathway), strict=True):
            yield from ((picture, GIVEN) for picture in drawing.given)
            yield to_pil(pixels), drawing.words


def _drawing(model: UnifiedModel, example: Conversation) -> _Drawing | None:
    """What the first picture that a conversation draws is drawn from, as in training: all turns and pictures before."""
    for number, turn in enumerate(example.turns):
        draws = [index for index, piece in enumerate(turn.content) if isinstance(piece, Draw)]
        if not draws:
            continue
        last = Turn(turn.role, turn.content[: draws[0] + 1])
        before = [piece for earlier in example.turns[:number] for piece in earlier.content] + list(last.content[:-1])
        if not any(not isinstance(piece, str) or piece.strip() for piece in before):
            return None
        sequence = model.processor.sequence(Conversation((*example.turns[:number], last), example.system))
        cut = next(index for index, span in enumerate(sequence.spans) if span.kind == "draw")
        prompt, draw = Spans(sequence.spans[:cut]), turn.content[draws[0]]
        assert isinstance(draw, Draw)
        if not model.plan.pathways[draw.pathway].decodes:  # there are no pixels to show
            return None
        if len(prompt) + model.plan.pathways[draw.pathway].tokens > model.plan.hidden.context:
            return None
        asked = example.turns[number - 1].text if number else last.text
        given = [shown for piece in before if isinstance(piece, Look) if (shown := _shown(piece.picture)) is not None]
        return _Drawing(prompt, draw.pathway, asked, tuple(given))
    return None


def _captioned(pictures: Sequence[Image.Image], question: str, answer: str) -> list[tuple[Image.Image, str]]:
    captions = [GIVEN] * (len(pictures) - 1) + [f"{question} {answer}"]
    return list(zip(pictures, captions, strict=True))


@frozen(eq=False)
class _Question:
    """A conversation cut before an answer, the question, the pictures that can be shown, and the expected answer."""

    conversation: Conversation
    text: str
    pictures: tuple[Image.Image, ...]
    expected: str


def _answered(
    model: UnifiedModel, examples: Sequence[Conversation]
) -> Iterator[tuple[tuple[Image.Image, ...], str, str, str]]:
    """Yield pictures, question, answer, and expected answer."""
    room = model.plan.hidden.context - ANSWER_TOKENS
    asked = [
        (question, prompt)
        for question in filter(None, map(_question, examples))
        if len(prompt := model.processor.sequence(question.conversation, answer=False)) <= room
    ][:COUNT]
    if not asked:
        return
    answers = generate_text(model, [prompt for _, prompt in asked], max_new_tokens=ANSWER_TOKENS)
    for (question, _), answer in zip(asked, answers, strict=True):
        yield question.pictures, question.text, answer, question.expected


def _question(example: Conversation) -> _Question | None:
    """The first question with pictures of its own that is answered by text, or not at all.

    It may take several turns of the user. What is answered by a picture is not a question.
    """
    turns, first = example.turns, 0
    for number in range(len(turns) + 1):
        answer = turns[number] if number < len(turns) else None
        if answer is not None and answer.role == "user":
            continue
        asking, first = turns[first:number], number + 1
        looks = any(isinstance(piece, Look) for turn in asking for piece in turn.content)
        if not looks or (answer is not None and any(isinstance(piece, Draw) for piece in answer.content)):
            continue
        before = [piece for turn in turns[:number] for piece in turn.content]
        shown = [_shown(piece.picture) for piece in before if isinstance(piece, Look)]
        pictures = tuple(picture for picture in shown if picture is not None)
        if not pictures:
            return None
        text = " ".join(stripped for turn in asking if (stripped := turn.text.strip()))
        expected = "" if answer is None else answer.text.strip()
        return _Question(Conversation(turns[:number], example.system), text, pictures, expected)
    return None


def _shown(picture: Any) -> Image.Image | None:
    """A picture as it can be shown; None for one that is codes or pixels of a pathway."""
    if isinstance(picture, Image.Image):
        return picture
    is_picture = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
    return Image.fromarray(picture) if is_picture else None
