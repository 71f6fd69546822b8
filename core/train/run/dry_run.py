"""Before hours of training: does every stage of the run begin?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from ...compose.selectors import select
from ...contracts import Source
from ...contracts.factories import make
from ...errors import JaniformError, Problem, RecipeError
from ...model.lora import names_of
from ...model.unified_model import UnifiedModel
from ...recipe import Recipe
from ..data.batches import Kitchen, tickets
from ..data.mixture import Mixture
from ..loop.blocks import recomputed
from ..loop.gradients import unknown_weights
from ..loop.stage import adapted, kernel_for, trainable


def rehearse(recipe: Recipe, stages: Sequence[str], model: UnifiedModel, sources: Mapping[str, Source]) -> None:
    """Choose what each stage trains, build its objective and prepare a first batch; all of it is thrown away.

    Raises:
        RecipeError: one problem for each stage that would fail at its start, with its place.
    """
    problems = [
        evolve(problem, path=path, origin=problem.origin or recipe.origins.get(path))
        for name in stages
        for path, problem in _problems(recipe, name, model, sources)
    ]
    if problems:
        raise RecipeError(problems)


def _problems(
    recipe: Recipe, name: str, model: UnifiedModel, sources: Mapping[str, Source]
) -> list[tuple[str, Problem]]:
    stage, place = recipe.stages[name], f"stage.{name}"
    found: list[tuple[str, Problem]] = []
    try:
        select([named for named, _ in model.named_parameters()], stage.train, model.plan.shared)
    except JaniformError as error:
        found += [(f"{place}.train", problem) for problem in error.problems]
    layers = {}
    if not found:
        try:
            layers = adapted(stage, model)
        except JaniformError as error:
            found += [(f"{place}.lora.{problem.path}", problem) for problem in error.problems]
    try:
        objective = make(stage.objective.component, stage.objective.config, model)
    except JaniformError as error:
        return found + [(f"{place}.objective", problem) for problem in error.problems]
    if stage.micro_batch and (not hasattr(objective, "counts") or hasattr(objective, "gather")):
        said = f"{stage.objective.component.name} looks at the samples of a step together, so a step cannot be divided"
        found.append((f"{place}.micro_batch", Problem(said, hint="leave micro_batch out")))
    try:
        recomputed(model, stage.checkpointing)
    except JaniformError as error:
        found += [(f"{place}.checkpointing", problem) for problem in error.problems]
    if not found:
        try:
            named = [*trainable(model, objective, stage.train), *names_of(layers)]
            select(named, stage.muon, model.plan.shared)
        except JaniformError as error:
            found += [(f"{place}.muon", problem) for problem in error.problems]
    try:
        kernel_for(stage, model, objective)
    except JaniformError as error:
        found += [
            ("training.attention", evolve(problem, message=f"stage '{name}': {problem.message}"))
            for problem in error.problems
        ]
    ticket = next(tickets(Mixture(stage.mixture), stage.batch, range(1), {}, {}))
    prepared = Kitchen.of(sources, objective, (recipe.training.seed,), strict=recipe.training.strict)[ticket]
    found += [(f"{place}.mixture", problem) for problem in prepared.problems]
    if hasattr(objective, "counts") and not prepared.problems:
        # What has no counts names its losses only where it computes them, as the stage begins.
        unknown = unknown_weights(stage, model.plan.pathways, objective.counts(prepared.batch))
        found += [(problem.path, problem) for problem in unknown]
    return found
