"""What a model writes before it draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .answering import answer_all
from .prompts import check_text, thinking_prompt_of

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
    return [text.strip() for text in answer_all(model, rows, [0] * len(rows), {})]
