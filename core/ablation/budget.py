"""Equal budgets: what each cell takes, and the steps or widths by which cells take equal amounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

from ..errors import JaniformError, Problem, RecipeError, UsageError, nearest
from ..planning.design import DesignCosts
from ..planning.solve import solve_width, with_steps
from ..recipe import Recipe
from ..units import count
from .results import CellBudget, StageBudget
from .study import Cell, Equal, Study

Measure = Callable[[Recipe], DesignCosts]
Seconds = Callable[[Cell, str], float]
"""Seconds of a step of a stage of a cell on this machine."""


@frozen
class Budgets:
    """What every cell takes. ``sentence``: what is held equal. ``solved``: settings by cell and path."""

    cells: Mapping[str, CellBudget] = field(factory=dict)
    sentence: str = ""
    solved: Mapping[str, Mapping[str, int]] = field(factory=dict)

    def of(self, cell: str) -> CellBudget:
        return self.cells.get(cell, CellBudget())


def budgets_of(study: Study, measure: Measure, seconds: Seconds) -> Budgets:
    """Solve the settings that make the budgets of a study equal, and measure what every cell then takes.

    Raises:
        RecipeError: a cell cannot take as much as the baseline; with the reason for each such cell.
        UsageError: what is to be solved is not named, or no cell has it.
    """
    equal = study.settings.budget
    solved: dict[str, dict[str, int]] = {}
    residues: dict[str, str] = {}
    problems: list[Problem] = []
    costs = {cell.name: measure(cell.recipe) for cell in study.cells}
    solve = _SOLVERS.get(equal.currency)
    for cell in study.cells:
        if solve is None or cell.name == study.baseline.name:
            continue
        try:
            values, residues[cell.name] = solve(_Target(study, equal, costs, seconds), cell)
        except JaniformError as error:
            problems += [evolve(one, origin=one.origin or cell.origin) for one in error.problems]
            continue
        if values:
            solved[cell.name] = values
            costs[cell.name] = measure(cell.resolve(values))
    if problems:
        raise RecipeError(problems)
    if solve is None:
        residues = _sample_residues(study, costs)
    cells = {name: evolve(_budget(cost), residue=residues.get(name, "")) for name, cost in costs.items()}
    return Budgets(cells, _sentence(equal, study), solved)


@frozen(eq=False)
class _Target:
    study: Study
    equal: Equal
    costs: Mapping[str, DesignCosts]
    seconds: Seconds

    def stage(self, cell: Cell) -> str:
        """The stage of a cell whose steps are solved. Raises ``UsageError`` where the cell does not train it."""
        name = self.equal.stage or cell.stages[-1]
        if name not in cell.stages:
            hint = nearest(name, cell.stages)
            message = f"the cell '{cell.name}' does not train the stage '{name}'"
            raise UsageError(Problem(message, "equal.stage", hint=hint))
        return name


def _by_flops(target: _Target, cell: Cell) -> tuple[dict[str, int], str]:
    def per_step(cell: Cell, stage: str) -> float:
        flops = target.costs[cell.name].stages[stage].flops_per_step
        if flops is None:
            message = f"the FLOPs of the stage '{stage}' of the cell '{cell.name}' are not known"
            raise UsageError(Problem(message, "equal", hint='hold samples equal: equal = "samples"'))
        return flops

    return _by_steps(target, cell, per_step, "FLOPs")


def _by_seconds(target: _Target, cell: Cell) -> tuple[dict[str, int], str]:
    return _by_steps(target, cell, target.seconds, "seconds")


def _by_steps(
    target: _Target, cell: Cell, per_step: Callable[[Cell, str], float], unit: str
) -> tuple[dict[str, int], str]:
    """Steps of a stage with which a cell takes as much as the baseline in all."""

    def total(cell: Cell, but: str = "") -> float:
        return sum(per_step(cell, name) * cell.recipe.stages[name].last for name in cell.stages if name != but)

    name = target.stage(cell)
    stage = cell.recipe.stages[name]
    wanted, others, each = total(target.study.baseline), total(cell, but=name), per_step(cell, name)
    steps = round((wanted - others) / each)
    if steps < max(1, stage.warmup):
        needs = f"its other stages take {count(round(others))} of the {count(round(wanted))} {unit} of the baseline"
        message = f"the cell '{cell.name}' would train '{name}' for {max(0, steps)} steps: {needs}"
        raise RecipeError(Problem(message, "equal", hint="shorten its other stages, or name another stage"))
    after = with_steps(cell.recipe, name, steps).stages[name]
    settings = {"steps": after.steps, "stop": after.stop} if stage.stop else {"steps": after.steps}
    values = {f"stage.{name}.{setting}": value for setting, value in settings.items() if steps != stage.last}
    return values, f"{(others + steps * each - wanted) / wanted:+.2%} {unit}"


def _by_parameters(target: _Target, cell: Cell) -> tuple[dict[str, int], str]:
    """The value of one setting with which a cell has as many parameters as the baseline."""
    setting = target.equal.setting
    if not setting:
        hint = 'write equal = { currency = "parameters", setting = "backbone.width" }'
        raise UsageError(Problem("no setting is named that may change", "equal.setting", hint=hint))
    wanted = target.costs[target.study.baseline.name].parameters.total
    width, missed = solve_width(lambda value: cell.resolve({setting: value}), wanted, target.equal.multiple)
    return {setting: width}, f"{missed / wanted:+.2%} parameters, with {setting} = {width}"


_SOLVERS: dict[str, Callable[[_Target, Cell], tuple[dict[str, int], str]]] = {
    "flops": _by_flops,
    "seconds": _by_seconds,
    "parameters": _by_parameters,
}


def _sample_residues(study: Study, costs: Mapping[str, DesignCosts]) -> dict[str, str]:
    """Where cells differ from the baseline in samples: of which stages, and by how many."""
    residues = {}
    baseline = {name: stage.samples for name, stage in costs[study.baseline.name].stages.items()}
    for cell in study.cells:
        own = {name: stage.samples for name, stage in costs[cell.name].stages.items()}
        lacks = [name for name in baseline if name not in own]
        adds = [name for name in own if name not in baseline]
        other = [name for name in own if own[name] != baseline.get(name, own[name])]
        parts = [
            f"without {', '.join(lacks)}" if lacks else "",
            f"with {', '.join(adds)}" if adds else "",
            ", ".join(f"{name}: {own[name]:,} samples for {baseline[name]:,}" for name in other),
        ]
        residues[cell.name] = "; ".join(filter(None, parts))
    return residues


def _budget(costs: DesignCosts) -> CellBudget:
    stages = {
        name: StageBudget(
            steps=stage.steps,
            samples=stage.samples,
            samples_by_source=dict(stage.samples_by_source),
            positions=_whole(stage.positions.as_dict()),
            flops=stage.flops,
        )
        for name, stage in costs.stages.items()
    }
    positions: dict[str, int] = {}
    for stage in stages.values():
        for kind, number in stage.positions.items():
            positions[kind] = positions.get(kind, 0) + number
    return CellBudget(
        stages=stages,
        samples=sum(stage.samples for stage in stages.values()),
        positions=positions,
        flops=None if costs.problems else costs.flops,
        parameters=costs.parameters.as_dict(),
        disk=costs.model_bytes["bfloat16"] + len(costs.stages) * costs.model_bytes["float32"],
    )


def _whole(positions: Mapping[str, float]) -> dict[str, int]:
    return {name: round(number) for name, number in positions.items()}


def _sentence(equal: Equal, study: Study) -> str:
    of = f"the baseline, {study.baseline.name}"
    if equal.currency == "samples":
        return "Stages of one name take the same samples in every cell, unless the table of budgets says otherwise."
    if equal.currency == "parameters":
        return f"Every cell has as many parameters as {of}, by its {equal.setting}."
    what = "floating-point operations of training" if equal.currency == "flops" else "seconds of training"
    stage = f"the stage {equal.stage}" if equal.stage else "its last stage"
    return f"Every cell takes as many {what} as {of}, by the number of steps of {stage}."
