"""The sampler of a model's pathway, and its settings, which are checked by the sampler's own config."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs
import numpy as np

from ...contracts import Sampler
from ...contracts.factories import make
from ...errors import Problem, UsageError, nearest
from ...guidance import Guidance
from ...recipe.structure import Mistakes, structure

if TYPE_CHECKING:
    from ...compose import Plan
    from ...recipe import Use


def sampler_of(plan: Plan, pathway: str = "generation") -> Sampler:
    """The sampler that a recipe gives to a pathway. Raises ``UsageError`` where it has none."""
    use = sampler_use(plan, pathway)
    return cast(Sampler, make(use.component, use.config))


def sampler_use(plan: Plan, pathway: str = "generation") -> Use:
    """The component and the config of a pathway's sampler. Raises ``UsageError`` where it has none."""
    path = f"{pathway}.sampler"
    if path not in plan.parts:
        drawing = [path.partition(".")[0] for path in plan.parts if path.endswith(".sampler")]
        raise UsageError(Problem(f"the recipe has no pathway '{pathway}' that draws", hint=nearest(pathway, drawing)))
    return plan.parts[plan.owner(path)].use


def guidance_of(plan: Plan, use: Use, settings: Mapping[str, Any], looks: Collection[str]) -> Guidance:
    """The rows that a picture is drawn with, for prompts with pictures of the pathways ``looks``.

    ``settings``: all of the sampler's. A sampler that does not tell counts as one with unconditional rows, unless it
    has a guidance of 1; how it mixes them is not known.
    """
    guide: Any = getattr(attrs.evolve(use.config, **settings), "guide", None)
    if callable(guide):
        return cast(Guidance, guide(plan, looks))
    return Guidance.plain(1.0 if settings.get("guidance") == 1 else 2.0)


def check_settings(use: Use, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that replace those of a sampler's config, checked by the types and validators of its fields.

    Those that are None are left out, whatever their name is: benchmarks have settings of the usual samplers, which
    another sampler may lack. Numbers of numpy are plain numbers.

    Raises ``UsageError`` with every setting that the config does not declare, and every wrong value.
    """
    config = use.config
    own = {field.alias or field.name: getattr(config, field.name) for field in attrs.fields(type(config)) if field.init}
    sampler = f"the sampler '{use.component.name}'"
    if unknown := [name for name, value in settings.items() if value is not None and name not in own]:
        raise UsageError([Problem(f"{sampler} has no setting '{name}'", hint=nearest(name, own)) for name in unknown])
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in settings.items()
        if value is not None
    }
    try:
        structure(type(config), values, {name: value for name, value in own.items() if name not in values})
    except Mistakes as mistakes:
        raise UsageError(
            [
                Problem(f"{sampler}: {'.'.join(map(str, mistake.path))} {_clause(mistake.message)}", hint=mistake.hint)
                for mistake in mistakes.items
            ]
        ) from None
    return values


def _clause(message: str) -> str:
    """The message as what follows the name of a setting."""
    return f"must be {message.removeprefix('expected ')}" if message.startswith("expected ") else message
