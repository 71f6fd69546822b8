"""Conversations, checked and made ready for a reply, and the replies of many together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np
import torch
from attrs import evolve

from ..errors import ResourceError, UsageError
from ..pictures import as_picture
from ..sequence.conversation import Content, Conversation, Draw, Look, Turn
from .generate import generate_text
from .generate.prefill import check_room
from .generate.prefix_cache import Past
from .memory import OnPlan, answers_planned

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence

T = TypeVar("T")

LONGEST = 256
"""Tokens of an answer where nobody says how many, and the context has room for so many."""

_CHARACTERS_A_TOKEN = 64
"""No text has so many: a longer one is refused without spending time on its tokens."""


class AnswerSettings(TypedDict, total=False):
    """How answers are given. What is left out is as the comments say."""

    max_new_tokens: int | None  # the longest answer; None is 256, or what the context has room for
    temperature: float  # 0, the likeliest answer
    top_p: float  # 1; choose among the likeliest tokens that have so much of the probability together
    stop: str | Sequence[str]  # (); an answer ends before the first of these texts that comes up in it


def answer_all(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    seeds: Sequence[int],
    *,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    stop: str | Sequence[str] = (),
    on_text: Callable[[int, str], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_plan: OnPlan | None = None,
    past: Past | None = None,
) -> list[str]:
    """Answers to prompts, in rounds that fit into memory; each is what it is alone.

    ``past``: what was read of the conversation that the only prompt belongs to; it is forgotten where the memory that
    it takes is wanted.

    Raises ``UsageError``, for any of the prompts, and ``ResourceError`` before anything is computed.
    """
    context = model.plan.hidden.context
    free = (max(1, min(LONGEST, context - len(row))) for row in rows)
    limits = list(free) if max_new_tokens is None else [max_new_tokens] * len(rows)
    answers: list[str] = []
    if not rows:
        return answers
    check_room(model, rows, limits, "new tokens", fewer=True)
    plan = making_room(lambda: answers_planned(model, rows, max(limits)), past)
    if on_plan is not None:
        on_plan(plan)
    for part in plan.parts:
        answers += generate_text(
            model,
            rows[part],
            max_new_tokens=limits[part],
            temperature=temperature,
            top_p=top_p,
            stop=(stop,) if isinstance(stop, str) else stop,
            seeds=seeds[part],
            on_text=None if on_text is None else _numbered(on_text, part.start),
            past=past,
        )
        if on_step is not None:
            on_step(len(answers), len(rows))
    return answers


def making_room(work: Callable[[], T], past: Past | None) -> T:
    """Do what refuses for want of memory, a second time without ``past``, if that takes some."""
    try:
        return work()
    except ResourceError:
        if past is None or not past.nbytes:
            raise
    past.forget()
    return work()


def prompt_of(model: UnifiedModel, conversation: Conversation) -> SpanSequence:
    """The sequence that a reply follows.

    Every picture of the conversation has its placeholders and every placeholder its picture, since the layout writes
    them where a ``Look`` stands, and nothing that is written as text can become one.

    Raises ``UsageError`` where there is nothing to reply to, ``PictureError`` where a picture cannot be read.
    """
    last = conversation.turns[-1]
    if last.role != "user":
        raise UsageError("the conversation ends with the assistant: there is nothing to reply to")
    if not last.text.strip() and not any(isinstance(piece, Look) for piece in last.content):
        raise UsageError("the last turn is empty: say what to ask")
    context = model.plan.hidden.context
    turns = [Turn(turn.role, [_ready(piece, context) for piece in turn.content]) for turn in conversation.turns]
    if conversation.system is not None:
        checked(conversation.system, "system text", context)
    return model.processor.sequence(evolve(conversation, turns=turns), answer=False)


def checked(text: str, what: str, context: int) -> str:
    """The text, unless it is none or could not possibly fit into the context. Raises ``UsageError``."""
    if not isinstance(text, str):
        raise UsageError(f"a {what} is a text, not {type(text).__name__}")
    if len(text) > context * _CHARACTERS_A_TOKEN:
        raise UsageError(f"the {what} has {len(text)} characters; the model's context is {context} tokens")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the {what} is no valid Unicode text") from None
    return text


def _ready(piece: Content, context: int) -> Content:
    """A piece with its picture as a part's transform wants it; tensors and codes are taken as they are."""
    if isinstance(piece, str):
        return checked(piece, "turn", context)
    if piece.picture is None:
        raise UsageError(
            "the assistant draws a picture in the conversation that is not there: give it, or leave it out"
        )
    picture: Any = piece.picture
    codes = isinstance(picture, np.ndarray) and picture.ndim == 2 and picture.dtype != np.uint8
    if isinstance(picture, torch.Tensor) or codes:
        return piece
    seen = as_picture(picture)
    return Look(seen, piece.pathway) if isinstance(piece, Look) else Draw(seen, piece.pathway)


def _numbered(on_text: Callable[[int, str], None], first: int) -> Callable[[int, str], None]:
    return lambda row, text: on_text(first + row, text)


def seeds_of(seed: int | Iterable[int], count: int, what: str) -> list[int]:
    """One seed for each of ``count``: given, or counted up from the first. Raises ``UsageError``."""
    seeds = [seed + number for number in range(count)] if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise UsageError(f"{count} {what} need {count} seeds, not {len(seeds)}")
    for value in seeds:
        if not isinstance(value, int | np.integer) or not 0 <= value < 2**63:
            raise UsageError(f"a seed is a whole number from 0 to 2^63 - 1, not {value}")
    return [int(value) for value in seeds]
