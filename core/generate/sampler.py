"""What a sampler component promises, and how a model's own is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import UsageError, nearest
from ..sequence.spans import Sequence as SpanSequence

if TYPE_CHECKING:
    from torch import Tensor

    from ..compose import Plan
    from ..model import UnifiedModel
    from .images import OnCodes, OnStep


class Sampler(Protocol):
    """Kind ``sampler``: how a pathway's codes are drawn; factory(config) -> Sampler."""

    def draw(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        *,
        pathway: str = "generation",
        seeds: Sequence[int] | None = None,
        on_step: OnStep | None = None,
        on_codes: OnCodes | None = None,
        **overrides: Any,
    ) -> Tensor:
        """Codes int64 [B, N, d] of one picture for each prompt. ``overrides`` replace settings of the config.

        ``on_codes`` is called after every step with all codes so far, in whatever order they are drawn.

        Raises ``UsageError`` for an override that the sampler does not have.
        """


def sampler_of(plan: Plan, pathway: str = "generation") -> Sampler:
    """The sampler that a recipe gives to a pathway. Raises ``UsageError`` where it has none."""
    path = f"{pathway}.sampler"
    if path not in plan.parts:
        known = [path.partition(".")[0] for path in plan.parts if path.endswith(".sampler")]
        hint = nearest(pathway, known)
        raise UsageError(f"the recipe has no pathway '{pathway}' that draws" + (f" ({hint})" if hint else ""))
    use = plan.parts[plan.owner(path)].use
    return cast(Sampler, use.component.load()(use.config))
