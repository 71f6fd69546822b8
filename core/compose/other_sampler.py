"""A recipe that draws with another sampler than its own, which must draw what the model was trained to predict."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..components.registry import registry
from ..errors import CompositionError, Problem, UsageError
from ..recipe import Recipe, Use
from .composer import compose
from .plan import Plan


def compose_with_sampler(recipe: Recipe, sampler: str) -> Plan:
    """The plan of a recipe with another sampler in all pathways that draw, with the settings that both samplers have.

    ``sampler``: the name of a component, with or without its version. A pathway that has it already keeps it.

    Raises ``ComponentError`` where no such sampler is installed, ``UsageError`` where the recipe draws nothing, and
    ``CompositionError`` where the sampler does not draw what the model predicts.
    """
    replaced = _with_sampler(recipe, sampler)
    try:
        plan = compose(replaced)
    except CompositionError as error:
        # The lines of the recipe's file are left out: the sampler is not written there.
        reasons = [attrs.evolve(problem, origin=None) for problem in error.problems]
        raise CompositionError([_unsuited(recipe, sampler), *reasons]) from None
    if problems := list(_trained_otherwise(compose(recipe), plan)):
        raise CompositionError([_unsuited(recipe, sampler), *problems])
    return plan


def _with_sampler(recipe: Recipe, sampler: str) -> Recipe:
    component = registry().find("sampler", sampler)
    if not any(pathway.mode == "draw" for pathway in recipe.pathways.values()):
        raise UsageError(
            Problem(f"'{recipe.name}' draws no pictures, so it has no sampler to replace", hint="leave the sampler out")
        )
    known = {field.alias or field.name for field in attrs.fields(component.config) if field.init}
    pathways = {}
    for key, pathway in recipe.pathways.items():
        old = pathway.parts.get("sampler")
        if isinstance(old, Use) and old.component != component:
            own = {
                field.alias or field.name: getattr(old.config, field.name) for field in attrs.fields(type(old.config))
            }
            try:
                config = component.config(**{name: value for name, value in own.items() if name in known})
            except (TypeError, ValueError) as error:
                reason = f"it does not accept the settings of '{old.component.name}': {error}"
                raise CompositionError([_unsuited(recipe, sampler), Problem(reason, f"{key}.sampler")]) from None
            pathway = attrs.evolve(pathway, parts={**pathway.parts, "sampler": Use("sampler", component, config)})
        pathways[key] = pathway
    return attrs.evolve(recipe, pathways=pathways)


def _unsuited(recipe: Recipe, sampler: str) -> Problem:
    return Problem(f"the model '{recipe.name}' cannot draw with the sampler '{sampler}'")


def _trained_otherwise(own: Plan, other: Plan) -> Iterator[Problem]:
    """A problem for each pathway whose new sampler reads predictions that the model was not trained to give.

    A head that was trained to predict the hidden places of a picture does not predict the next place, for instance.
    """
    for name, shape in own.pathways.items():
        if shape.mode == "draw" and type(shape.process) is not type(other.pathways[name].process):
            path = f"{name}.sampler"
            trained, asked = (plan.parts[plan.owner(path)].use.component.name for plan in (own, other))
            yield Problem(f"it was trained to draw as '{trained}' does, and '{asked}' draws in another way", path)
