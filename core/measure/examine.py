"""Examination of a recipe without weights: whether its parts fit, what it costs, what each stage trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ..compose.composer import compose
from ..compose.diagnostics import Diagnostics
from ..compose.plan import Plan
from ..compose.selectors import select
from ..errors import CompositionError, JaniformError, Problem
from ..model.lora import adaptable
from ..model.modules import build_modules
from .contract_checks import check_contracts
from .costs import Costs, measure

if TYPE_CHECKING:
    from torch import nn

    from ..recipe import Recipe


@frozen
class Examination:
    """The results for a recipe whose parts fit.

    ``modules``: all parts by path, on the meta device. ``trained``: name of a stage -> number of trained parameters.
    """

    plan: Plan
    modules: Mapping[str, nn.Module] = field(repr=False)
    costs: Costs
    trained: Mapping[str, int]


def examine(recipe: Recipe) -> Examination:
    """Compose a recipe, build it on the meta device, check its parts' contracts and its stages' selectors.

    Raises ``CompositionError`` with all problems.
    """
    plan = compose(recipe)
    modules = build_modules(plan, device="meta")
    check_contracts(plan, modules)
    return Examination(plan, modules, measure(plan, modules), trained(plan, modules))


def trained(plan: Plan, modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Number of parameters that each stage trains, by its name.

    Raises ``CompositionError`` with every selector that matches no parameter.
    """
    sizes = {f"{path}.{name}": p.numel() for path, module in modules.items() for name, p in module.named_parameters()}
    diagnostics = Diagnostics(plan.recipe)
    counts: dict[str, int] = {}
    problems: list[Problem] = []
    for name in plan.recipe.training.stages or plan.recipe.stages:  # a recipe that is extended may have further stages
        stage = plan.recipe.stages[name]
        try:
            chosen = select(sizes, stage.train, plan.shared)
        except JaniformError as error:
            path = f"stage.{stage.name}.train"
            problems += [evolve(problem, path=path, origin=diagnostics.origin(path)) for problem in error.problems]
            continue
        try:
            layers = {} if stage.lora is None else adaptable(modules, stage.lora, chosen, plan.shared)
        except JaniformError as error:
            paths = [f"stage.{stage.name}.lora.{problem.path}" for problem in error.problems]
            problems += [
                evolve(problem, path=path, origin=diagnostics.origin(path))
                for path, problem in zip(paths, error.problems, strict=True)
            ]
            continue
        rank = 0 if stage.lora is None else stage.lora.rank
        counts[stage.name] = sum(sizes[name] for name in chosen)
        counts[stage.name] += sum(rank * sum(layer.weight.shape) for layer in layers.values())
    if problems:
        raise CompositionError(problems)
    return counts
