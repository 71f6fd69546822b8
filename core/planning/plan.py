"""The plan of a training: for each stage what fits, how fast it is, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from ..compose import compose
from ..errors import Problem, UsageError, nearest
from ..recipe import Recipe
from .planner import Planner
from .samples import Sample
from .stage_plan import PlanRequest, StagePlan
from .step_work import Positions, StepCounter


@frozen
class TrainingPlan:
    """All stages of a recipe. ``available``: bytes of a GPU for training. ``samples``: the average one of a source."""

    recipe: str
    request: PlanRequest
    available: int
    stages: tuple[StagePlan, ...]
    samples: Mapping[str, Sample]

    @property
    def days(self) -> float:
        return sum(stage.days for stage in self.stages)

    @property
    def gpu_hours(self) -> float:
        return 24 * self.days * self.request.gpus

    @property
    def flops(self) -> float:
        """FLOPs of all steps of the stages whose work is known."""
        return sum(stage.steps * stage.flops for stage in self.stages)

    @property
    def positions(self) -> Positions:
        """Positions of all steps of the stages whose work is known."""
        known = (stage.work.positions.times(stage.steps) for stage in self.stages if stage.work is not None)
        return sum(known, Positions())

    @property
    def fits(self) -> bool:
        return all(stage.memory is not None and stage.memory.total <= self.available for stage in self.stages)

    def mfu_of(self, days: float) -> float:
        """The fraction of the GPUs' arithmetic that is used where training takes a number of days."""
        return self.flops / (days * 86400 * self.request.gpus * self.request.gpu.tflops * 1e12)


def plan_training(recipe: Recipe, request: PlanRequest, stages: Iterable[str] | None = None) -> TrainingPlan:
    """Plan the stages of a recipe, all or some of them.

    Raises:
        CompositionError: the parts do not fit together.
        UsageError: the recipe has no stages, or not the chosen ones, or a length is not possible.
    """
    chosen = chosen_stages(recipe, stages)
    plan = compose(recipe)
    used = {source for name in chosen for source in recipe.stages[name].sources}
    counter = StepCounter(plan, request.lengths)
    planner = Planner(counter, request)
    return TrainingPlan(
        recipe.name,
        request,
        planner.available,
        tuple(planner.stage(recipe.stages[name]) for name in chosen),
        {name: sample for name, sample in counter.samples.items() if name in used},
    )


def chosen_stages(recipe: Recipe, stages: Iterable[str] | None) -> tuple[str, ...]:
    """The names of a recipe's stages, all that it trains or some. Raises ``UsageError`` for unknown names, or none."""
    names = recipe.training.stages or tuple(recipe.stages)
    chosen = names if stages is None else tuple(stages)
    unknown = [
        Problem(f"there is no stage '{name}'", hint=nearest(name, names)) for name in chosen if name not in names
    ]
    if unknown or not chosen:
        raise UsageError(unknown or f"recipe '{recipe.name}' has no stages to plan")
    return chosen
