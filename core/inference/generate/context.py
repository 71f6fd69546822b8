"""Prompts, checked against the model's context and vocabulary before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...sequence.spans import Sequence as SpanSequence

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel


class ContextLengthError(UsageError):
    """A prompt that does not fit into the model's context with what is to follow it."""


def check_context_length(
    model: UnifiedModel, prompts: Sequence[SpanSequence], more: int | Sequence[int], what: str, *, fewer: bool = False
) -> None:
    """Raise ``ContextLengthError`` for the first prompt that, with ``more`` positions after it, exceeds the context.

    Raise ``UsageError`` for a prompt with an id that the backbone has no embedding for. ``more`` may be one number per
    prompt, and ``what`` names those positions in the sentence. ``fewer``: the sentence may advise to ask for fewer.
    """
    context, vocabulary = model.plan.hidden.context, model.plan.hidden.vocabulary
    if not prompts:
        raise UsageError("expected at least one prompt; got none")
    counts = [more] * len(prompts) if isinstance(more, int) else more
    for number, (prompt, count) in enumerate(zip(prompts, counts, strict=True), start=1):
        name = f"prompt {number}" if len(prompts) > 1 else "the prompt"
        unknown = next((id for id in prompt.ids if not 0 <= id < vocabulary), None)
        if unknown is not None:
            raise UsageError(f"{name} has the id {unknown}; the model has embeddings for the ids 0 to {vocabulary - 1}")
        free = context - len(prompt)
        if count <= free:
            continue
        advice = [f"shorten it to {context - count} tokens"] if count < context else []
        if fewer and free > 0:
            advice.append(f"ask for at most {free}")
        raise ContextLengthError(
            f"{name} has {len(prompt)} tokens, after which {count} {what} do not fit into the model's context of "
            f"{context}: " + (" or ".join(advice) or "shorten it and ask for fewer")
        )
