"""The costs of a whole design: what its stages compute, its parameters, and the size of its model on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from torch import nn

from ..compose import compose
from ..compose.plan import Plan
from ..compose.selectors import select
from ..measure.costs import active_parameters
from ..model.lora import adaptable
from ..model.modules import build_modules
from ..recipe import Recipe
from ..storage.tensors import tensors_of
from .objective_stage import UntraceableError
from .plan import chosen_stages
from .step_work import Positions, StepCounter, StepWork

if TYPE_CHECKING:
    from ..contracts import TextTokenizer


@frozen
class StageCosts:
    """One stage, all steps together. ``work``: of a step; None where it is not known, and ``problem`` says why.

    ``trained``: the model's parameters that the stage trains.
    """

    steps: int
    samples: int
    trained: int
    work: StepWork | None
    problem: str = ""

    @property
    def samples_by_source(self) -> dict[str, int]:
        """Samples of each source, to within one."""
        return {} if self.work is None else {name: round(n * self.steps) for name, n in self.work.samples.items()}

    @property
    def positions(self) -> Positions:
        return Positions() if self.work is None else self.work.positions.times(self.steps)

    @property
    def flops_per_step(self) -> float | None:
        return None if self.work is None else self.work.flops

    @property
    def flops(self) -> float | None:
        return None if self.work is None else self.work.flops * self.steps

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "samples": self.samples,
            "samples_by_source": self.samples_by_source,
            "positions": self.positions.as_dict(),
            "trained_parameters": self.trained,
            "flops_per_step": self.flops_per_step,
            "flops": self.flops,
            **({"problem": self.problem} if self.problem else {}),
        }


@frozen
class ParameterCounts:
    """Numbers of parameters; a shared part counts once.

    ``trained``: those that at least one of the stages trains. ``to_look``, ``to_draw``: those of the parts that answer
    about pictures, and that draw them; the backbone is among both. ``active``: those of all parts that compute one
    position, fewer than ``total`` where experts are chosen among.
    """

    total: int
    trained: int
    to_look: int
    to_draw: int
    active: int

    def as_dict(self) -> dict[str, int]:
        """As plain data; ``active`` only where it is less than ``total``."""
        counts = {"total": self.total, "trained": self.trained, "to_look": self.to_look, "to_draw": self.to_draw}
        return counts if self.active == self.total else counts | {"active": self.active}


@frozen
class DesignCosts:
    """The costs of a recipe's stages, by name, and of its model.

    ``model_bytes``: tensors of the model's file by data type; tokenizers stay in float32.
    """

    recipe: str
    stages: Mapping[str, StageCosts]
    parameters: ParameterCounts
    model_bytes: Mapping[str, int]

    @property
    def samples(self) -> int:
        return sum(stage.samples for stage in self.stages.values())

    @property
    def positions(self) -> Positions:
        return sum((stage.positions for stage in self.stages.values()), Positions())

    @property
    def flops(self) -> float:
        """FLOPs of all stages whose work is known; ``problems`` names the others."""
        return sum(stage.flops or 0.0 for stage in self.stages.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each stage that the totals do not hold."""
        return tuple(f"stage '{name}': {stage.problem}" for name, stage in self.stages.items() if stage.problem)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return {
            "recipe": self.recipe,
            "stages": {name: stage.as_dict() for name, stage in self.stages.items()},
            "totals": {"samples": self.samples, "positions": self.positions.as_dict(), "flops": self.flops},
            "parameters": self.parameters.as_dict(),
            "model_bytes": dict(self.model_bytes),
        }


def design_costs(
    recipe: Recipe,
    stages: Iterable[str] | None = None,
    *,
    text: TextTokenizer | None = None,
    lengths: Mapping[str, int] | None = None,
) -> DesignCosts:
    """The costs of a recipe, measured on the meta device: no weights are made, nothing is trained.

    Args:
        stages: names of stages; by default those that the recipe trains.
        text: a fitted text tokenizer, by which samples are laid out; without one, tokens are estimated by letters.
        lengths: positions of a sample by source; overrides what is measured or assumed.

    Raises:
        CompositionError: the parts do not fit together.
        UsageError: a stage is unknown, or a length is not possible.
    """
    chosen = chosen_stages(recipe, stages)
    plan = compose(recipe)
    sources = dict.fromkeys(source for name in chosen for source in recipe.stages[name].sources)
    counter = StepCounter(plan, lengths or {}, sources, text)
    modules = build_modules(plan, "meta")
    return DesignCosts(
        recipe.name,
        {name: _stage(counter, name) for name in chosen},
        _parameters(plan, modules, chosen),
        {kind: _bytes(plan, modules, dtype) for kind, dtype in _DTYPES.items()},
    )


_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def _stage(counter: StepCounter, name: str) -> StageCosts:
    stage = counter.plan.recipe.stages[name]
    weights, trained = counter.weights(stage)
    size = sum(weights.forward.sizes[each] for each in trained)
    try:
        return StageCosts(stage.last, stage.last * stage.batch, size, counter.step(stage))
    except UntraceableError as error:
        return StageCosts(stage.last, stage.last * stage.batch, size, None, str(error))


def _parameters(plan: Plan, modules: Mapping[str, nn.Module], stages: Iterable[str]) -> ParameterCounts:
    sizes = {f"{path}.{name}": p.numel() for path, module in modules.items() for name, p in module.named_parameters()}
    trained: set[str] = set()
    for name in stages:
        stage = plan.recipe.stages[name]
        own = select(sizes, stage.train, plan.shared)
        trained |= own
        if stage.lora is not None:  # merged into the layers when the stage ends
            trained |= {f"{path}.weight" for path in adaptable(modules, stage.lora, own, plan.shared)}
    parts = {path: sum(p.numel() for p in module.parameters()) for path, module in modules.items()}

    def of(mode: str) -> int:
        names = [name for name, shape in plan.pathways.items() if shape.mode == mode]
        paths = {plan.owner(path) for path in plan.parts if path.partition(".")[0] in names}
        paths |= {path for path in modules if path.partition(".")[0] not in plan.pathways}
        return sum(size for path, size in parts.items() if path in paths)

    return ParameterCounts(
        sum(parts.values()),
        sum(sizes[name] for name in trained),
        of("look"),
        of("draw"),
        sum(size if (some := active_parameters(modules[path])) is None else some for path, size in parts.items()),
    )


def _bytes(plan: Plan, modules: Mapping[str, nn.Module], dtype: torch.dtype) -> int:
    total = 0
    for path, module in modules.items():
        kept = plan.parts[path].use.component.kind == "tokenizer"
        for tensor in tensors_of(module).values():
            kind = tensor.dtype if kept or not tensor.is_floating_point() else dtype
            total += tensor.numel() * kind.itemsize
    return total
