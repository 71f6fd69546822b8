"""How a model's own sampler is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...contracts import Sampler
from ...contracts.factories import make
from ...errors import UsageError, nearest

if TYPE_CHECKING:
    from ...compose import Plan


def sampler_of(plan: Plan, pathway: str = "generation") -> Sampler:
    """The sampler that a recipe gives to a pathway. Raises ``UsageError`` where it has none."""
    path = f"{pathway}.sampler"
    if path not in plan.parts:
        known = [path.partition(".")[0] for path in plan.parts if path.endswith(".sampler")]
        hint = nearest(pathway, known)
        raise UsageError(f"the recipe has no pathway '{pathway}' that draws" + (f" ({hint})" if hint else ""))
    use = plan.parts[plan.owner(path)].use
    return cast(Sampler, make(use.component, use.config))
