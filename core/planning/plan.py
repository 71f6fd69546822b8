"""The plan of a training: for each stage what fits, how fast it is, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from ..compose import compose
from ..errors import Problem, UsageError, nearest
from ..recipe import Recipe
from .planner import Planner
from .samples import Sample, samples_of
from .stage_plan import PlanRequest, StagePlan


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
    def fits(self) -> bool:
        return all(stage.memory is not None and stage.memory.total <= self.available for stage in self.stages)

    def mfu_of(self, days: float) -> float:
        """The fraction of the GPUs' arithmetic that is used where training takes a number of days."""
        flops = sum(stage.steps * stage.flops for stage in self.stages)
        return flops / (days * 86400 * self.request.gpus * self.request.gpu.tflops * 1e12)


def plan_training(recipe: Recipe, request: PlanRequest, stages: Iterable[str] | None = None) -> TrainingPlan:
    """Plan the stages of a recipe, all or some of them.

    Raises:
        CompositionError: the parts do not fit together.
        UsageError: the recipe has no stages, or not the chosen ones, or a length is not possible.
    """
    names = recipe.training.stages or tuple(recipe.stages)
    chosen = names if stages is None else tuple(stages)
    unknown = [
        Problem(f"there is no stage '{name}'", hint=nearest(name, names)) for name in chosen if name not in names
    ]
    if unknown or not chosen:
        raise UsageError(unknown or f"recipe '{recipe.name}' has no stages to plan")
    plan = compose(recipe)
    planner = Planner(plan, request, samples_of(plan, request.lengths))
    used = {source for name in chosen for source in recipe.stages[name].sources}
    return TrainingPlan(
        recipe.name,
        request,
        planner.available,
        tuple(planner.stage(recipe.stages[name]) for name in chosen),
        {name: sample for name, sample in planner.samples.items() if name in used},
    )
