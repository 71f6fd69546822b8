"""A dry run before hours of training: every stage is begun once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from ...compose.selectors import select
from ...contracts import Source
from ...errors import JaniformError, Problem, RecipeError
from ...model.auxiliary import auxiliary_weights
from ...model.lora import names_of
from ...model.unified_model import UnifiedModel
from ...recipe import Recipe, Stage
from ..data.builder import BatchBuilder
from ..data.mixture import Mixture
from ..data.seeding import RunSeeds, StageSeeds, seeds_of
from ..data.specs import batch_specs
from ..loop.blocks import recomputed, without_blocks
from ..loop.losses import unknown_weights
from ..loop.objective import make_objective
from ..loop.trained import adapted_layers, attention_of, trained_parameters
from .reach import idle_samples


def dry_run(
    recipe: Recipe,
    stages: Sequence[str],
    model: UnifiedModel,
    sources: Mapping[str, Source],
    seeds: RunSeeds | None = None,
) -> tuple[str, ...]:
    """Select what each stage trains, make its objective and prepare its first batch; all of it is dropped again.

    Args:
        seeds: of the run; by default those of a new run of the recipe.

    Returns:
        Sentences about what will be without effect.

    Raises:
        RecipeError: a problem, with its position, for each stage that would fail when it begins.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    for name in stages:
        stage = _StageDryRun(recipe, recipe.stages[name], model, (seeds or seeds_of(recipe)).stage(name))
        stage.run(sources)
        problems += stage.problems
        notes += stage.notes
    if problems:
        raise RecipeError(
            [evolve(problem, origin=problem.origin or recipe.origins.get(problem.path)) for problem in problems]
        )
    return tuple(notes)


class _StageDryRun:
    def __init__(self, recipe: Recipe, stage: Stage, model: UnifiedModel, seeds: StageSeeds) -> None:
        self.recipe, self.stage, self.model, self.seeds = recipe, stage, model, seeds
        self.path = f"stage.{stage.name}"
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def run(self, sources: Mapping[str, Source]) -> None:
        stage, model, shared = self.stage, self.model, self.model.plan.shared
        names = [name for name, _ in model.named_parameters()]
        self._try("train", lambda: select(names, stage.train, shared))
        layers = {} if self.problems else self._try("lora", lambda: adapted_layers(stage, model)) or {}
        objective = self._try("objective", lambda: make_objective(stage.objective, model))
        if objective is None:
            return
        if stage.micro_batch and (objective.compares_samples or not objective.divisible):
            message = (
                f"{stage.objective.component.name} looks at the samples of a step together, so a step cannot be divided"
            )
            self._add("micro_batch", [Problem(message, hint="leave micro_batch out")])
        if self._try("checkpointing", lambda: recomputed(model, stage.checkpointing)) is not None:
            self.notes += filter(None, [without_blocks(model, stage, attends=objective.attends)])
        if not self.problems:
            trained = [*trained_parameters(model, objective, stage.train), *names_of(layers)]
            self._try("muon", lambda: select(trained, stage.muon, shared))
        try:
            attention_of(stage, model, objective)
        except JaniformError as error:
            self.problems += [
                evolve(problem, path="training.attention", message=f"stage '{stage.name}': {problem.message}")
                for problem in error.problems
            ]
        training = self.recipe.training
        begin = self.seeds.first(sources, stage.sources, {})
        spec = next(batch_specs(Mixture(stage.mixture), stage.batch, range(1), {}, begin))
        prepared = BatchBuilder(sources, objective, self.seeds.batches, strict=training.strict)[spec]
        self._add("mixture", prepared.problems)
        if objective.divisible and not prepared.problems:
            # Without counts, the names of losses are known only when they are computed, as the stage begins.
            others = (*model.plan.pathways, *auxiliary_weights(model))
            self.problems += unknown_weights(stage, others, objective.counts(prepared.batch))
        if not self.problems:
            self.notes += idle_samples(stage, model, objective, sources, training.seed)

    def _try(self, setting: str, call: Callable[[], Any]) -> Any:
        """The result of a call, or None where its problems were added to those of a setting."""
        try:
            return call()
        except JaniformError as error:
            self._add(setting, error.problems)
            return None

    def _add(self, setting: str, problems: Iterable[Problem]) -> None:
        for problem in problems:
            path = f"{self.path}.{setting}"
            self.problems.append(evolve(problem, path=f"{path}.{problem.path}" if setting == "lora" else path))
