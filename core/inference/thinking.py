"""What a model writes before it draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .answering import DEFAULT_NEW_TOKENS, answer_all
from .prompts import check_text, drawing_prompt_of, thinking_prompt_of

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.conversation import Conversation


def thoughts_of(
    model: UnifiedModel, prompts: Sequence[str | Conversation], pathway: str, think: bool | str
) -> list[str]:
    """What the model writes before it draws, for each prompt, greedily; empty texts where it does not think.

    ``think``: whether it does; a text is taken as what it wrote. Raises ``UsageError``.
    """
    if isinstance(think, str):
        return [check_text(think, "thought", model.plan.hidden.context).strip()] * len(prompts)
    if not think:
        return [""] * len(prompts)
    rows = [thinking_prompt_of(model, prompt, pathway) for prompt in prompts]
    # A thought ends where the picture behind it would no longer fit into the context.
    behind = [len(drawing_prompt_of(model, prompt, pathway, ".")) for prompt in prompts]
    room = model.plan.hidden.context - model.plan.pathways[pathway].tokens - max(behind, default=0)
    limit = max(1, min(DEFAULT_NEW_TOKENS, room))
    return [text.strip() for text in answer_all(model, rows, [0] * len(rows), {"max_new_tokens": limit})]
