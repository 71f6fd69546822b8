"""Prompts and conversations, checked and made ready for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import evolve

from ..arguments import shown
from ..errors import UsageError
from ..pictures.read import as_picture
from ..sequence.conversation import Content, Conversation, Draw, Look, Turn
from .generate.context import ContextLengthError

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence

_CHARACTERS_PER_TOKEN = 64
"""More than any text has: a text that is longer is refused without being encoded."""


def prompt_of(model: UnifiedModel, conversation: Conversation) -> SpanSequence:
    """The sequence that a reply follows.

    Every picture of the conversation has its placeholders and every placeholder its picture, since the layout writes
    placeholders for each ``Look``, and no written text is encoded as one.

    Raises ``UsageError`` where there is nothing to reply to, ``PictureError`` where a picture cannot be read.
    """
    return model.processor.sequence(checked_conversation(model, conversation), answer=False)


def checked_conversation(model: UnifiedModel, conversation: Conversation) -> Conversation:
    """The conversation with its pictures as RGB; raises what ``prompt_of`` raises."""
    if not isinstance(conversation, Conversation):
        raise UsageError(f"a conversation must be a janiform.Conversation, not {shown(conversation)}")
    last = conversation.turns[-1]
    if last.role != "user":
        raise UsageError("the conversation ends with the assistant's turn, so there is nothing to reply to")
    if not last.text.strip() and not any(isinstance(piece, Look) for piece in last.content):
        raise UsageError("the last turn is empty; give a question or a picture")
    context = model.plan.hidden.context
    turns = [Turn(turn.role, [checked_piece(piece, context) for piece in turn.content]) for turn in conversation.turns]
    if conversation.system is not None:
        check_text(conversation.system, "system text", context)
    return evolve(conversation, turns=turns)


def drawing_prompt_of(model: UnifiedModel, prompt: str | Conversation, pathway: str, thought: str = "") -> SpanSequence:
    """The sequence that a picture follows, which is drawn for a text, or for a conversation that asks for it.

    ``thought``: what the assistant wrote about the picture, which stands before it.

    Raises ``UsageError`` where there is nothing to draw or the model does not draw from pictures, ``PictureError``
    where one cannot be read.
    """
    return model.processor.drawing_prompt(_checked_prompt(model, prompt), pathway, thought)


def thinking_prompt_of(model: UnifiedModel, prompt: str | Conversation, pathway: str) -> SpanSequence:
    """The sequence that the thought before a picture follows. Raises what ``drawing_prompt_of`` raises."""
    return model.processor.thinking_prompt(_checked_prompt(model, prompt), pathway)


def _checked_prompt(model: UnifiedModel, prompt: str | Conversation) -> str | Conversation:
    if isinstance(prompt, Conversation):
        return checked_conversation(model, prompt)
    return check_text(prompt, "prompt", model.plan.hidden.context)


def check_text(text: str, what: str, context: int) -> str:
    """Return the text. Raise ``UsageError`` for other types, invalid Unicode, and texts far beyond the context."""
    if not isinstance(text, str):
        raise UsageError(f"a {what} must be a text, not {type(text).__name__}")
    if len(text) > context * _CHARACTERS_PER_TOKEN:
        raise ContextLengthError(f"the {what} has {len(text)} characters; the model's context is {context} tokens")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the {what} is not valid Unicode text") from None
    return text


def checked_piece(piece: Content, context: int) -> Content:
    """A piece of a turn with its picture as RGB; tensors and codes stay as they are."""
    if isinstance(piece, str):
        return check_text(piece, "turn", context)
    if piece.picture is None:
        raise UsageError("the conversation has a Draw without a picture: give the picture, or leave the Draw out")
    picture: Any = piece.picture
    codes = isinstance(picture, np.ndarray) and picture.ndim == 2 and picture.dtype != np.uint8
    if isinstance(picture, torch.Tensor) or codes:
        return piece
    rgb = as_picture(picture)
    return Look(rgb, piece.pathway) if isinstance(piece, Look) else Draw(rgb, piece.pathway)
