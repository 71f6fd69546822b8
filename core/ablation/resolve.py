"""From designs to cells: each recipe is resolved and composed before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from attrs import evolve

from ..components.registry import Registry
from ..compose import compose
from ..errors import CompositionError, JaniformError, Origin, Problem, RecipeError, nearest
from ..recipe import Recipe, files
from ..recipe.assemble import assemble
from ..recipe.compare import values_of
from ..recipe.part_reader import PartReader
from ..recipe.problems import ProblemList
from ..recipe.read import with_extended
from ..recipe.tree import Table, table_from
from .combine import Design
from .file import StudyFile
from .study import BASE, Cell, Change, Study

_COMPLETE = {"source": "use", "stage": "objective"}
"""Tables that a cell may add, and the setting without which a new one is a misspelt name of another."""

_FIXED = ("extends", "name", "description", "sink")
"""Keys of a recipe that a cell cannot change: they do not make a design."""


def cells_of(study: StudyFile, designs: Sequence[Design], registry: Registry) -> tuple[Cell, ...]:
    """The cells of a study, the baseline first.

    Raises:
        RecipeError: recipes cannot be resolved, two cells are the same design, or the budget names an unknown stage;
            with the problems of all cells.
        CompositionError: recipes are valid, and parts do not fit together; with the problems of all cells.
    """
    faults = _Faults()
    recipes: dict[str, Recipe] = {}
    for design in designs:
        with faults.of(design):
            recipes[design.name] = _resolved(study, design, registry)
    kind: type[JaniformError] = CompositionError if len(recipes) == len(designs) else RecipeError
    if kind is CompositionError and (unused := _unused_budget(study, recipes.values())):
        raise RecipeError(unused)
    for design in designs:
        if design.name in recipes:
            with faults.of(design):
                compose(recipes[design.name])
    faults.raise_as(kind)
    designed = {name: design_values(recipe) for name, recipe in recipes.items()}
    if same := _same(designs, designed):
        raise RecipeError(same)
    baseline = designed[study.settings.baseline or BASE]
    cells = tuple(
        Cell(
            design.name,
            recipes[design.name],
            design.values,
            design.origin,
            partial(_resolved, study, design, registry),
            _changes(baseline, designed[design.name]),
            design.summary,
        )
        for design in designs
    )
    first = sorted(cells, key=lambda cell: cell.name != (study.settings.baseline or BASE))
    return tuple(first)


def design_values(recipe: Recipe, *, defaults: bool = True) -> dict[str, Any]:
    """What makes a design: every setting of what is built, and of the stages and sources that are trained on, by path.

    Names, descriptions, seeds, sinks and folders of runs are not part of it. ``defaults``: also settings that have
    their default value.
    """
    stages = recipe.training.stages or tuple(recipe.stages)
    sources = {name for stage in stages for name in recipe.stages[stage].sources}
    values: dict[str, Any] = {}
    for path, value in values_of(recipe, defaults=defaults):
        section, *rest = path.split(".")
        if section in ("name", "description", "sink", "training"):
            continue
        if (section == "stage" and rest[0] not in stages) or (section == "source" and rest[0] not in sources):
            continue
        if section == "stage" and rest[1] in ("sample_every", "log_every"):
            continue
        values[path] = value
    values["training.stages"] = list(stages)
    values["training.attention"] = recipe.training.attention
    return values


class _Faults:
    """The problems of all cells. A problem of several cells is reported once, with the names of the cells."""

    def __init__(self) -> None:
        self._cells: dict[Problem, list[Design]] = {}

    @contextmanager
    def of(self, design: Design) -> Iterator[None]:
        """Take in the problems that the block raises, as those of a design."""
        try:
            yield
        except JaniformError as error:
            for problem in error.problems:
                self._cells.setdefault(problem, []).append(design)

    def raise_as(self, kind: type[JaniformError]) -> None:
        """Raise all problems, if there are any."""
        if self._cells:
            raise kind([_named(problem, designs) for problem, designs in self._cells.items()])


def _named(problem: Problem, designs: Sequence[Design]) -> Problem:
    """The problem with the cells that have it, and where the first of them is written."""
    first = designs[0].origin
    elsewhere = problem.origin is not None and problem.origin.source != first.source
    place = f" ({first})" if elsewhere else ""
    names = ", ".join(design.name for design in designs[:4])
    more = f" and {len(designs) - 4} more" if len(designs) > 4 else ""
    return evolve(problem, message=f"cell {names}{more}{place}: {problem.message}", origin=problem.origin or first)


def _resolved(study: StudyFile, design: Design, registry: Registry, solved: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a design: what it extends, its layers, the budget, and settings that were solved for it."""
    problems = ProblemList()
    file = files.locate(design.reference, registry, study.file.path.parent)
    whole, merger = with_extended(files.read(file), registry, (file,), problems)
    for layer in design.layers:
        _check_targets(whole, layer, problems)
        whole = merger.merge(whole, layer)
    stages = whole.entries.get("stage")
    present = stages.entries if isinstance(stages, Table) else {}
    budget = {name: table for name, table in study.budget.entries.items() if name in present}
    if budget:
        origin = study.budget.origin
        whole = merger.merge(whole, Table({"stage": Table(budget, origin)}, origin))
    for path, value in (solved or {}).items():
        whole = merger.merge(whole, _layer(path.split("."), value))
    whole = whole.without("name", "description", "sink")
    recipe = assemble(whole, PartReader(registry, problems), problems, fallback_name=design.name, notes=merger.notes)
    if not recipe.stages:
        raise RecipeError(Problem("the recipe has no stages to train", "stage", design.origin))
    return recipe


def _layer(path: Sequence[str], value: Any) -> Table:
    """A table with one value."""
    nested: Any = value
    for name in reversed(path):
        nested = {name: nested}
    return table_from(nested, Origin("the study's budget"))


def _check_targets(below: Table, above: Table, problems: ProblemList) -> None:
    """Add a problem for each table that a layer would add by a misspelt name."""
    for name in _FIXED:
        if name in above.entries:
            problems.add("cannot be set by a cell", (name,), above.entries[name].origin)
    for section, needed in _COMPLETE.items():
        table, existing = above.entries.get(section), below.entries.get(section)
        known = existing.entries if isinstance(existing, Table) else {}
        for name, entry in table.entries.items() if isinstance(table, Table) else ():
            if name not in known and not (isinstance(entry, Table) and needed in entry.entries):
                hint = nearest(name, known)
                problems.add(f"is not in the recipe, and has no `{needed}`", (section, name), entry.origin, hint)
    for name, entry in above.entries.items():
        if name in below.entries or name in (*_COMPLETE, "training", *_FIXED) or not isinstance(entry, Table):
            continue
        if "use" not in entry.entries and not any(isinstance(part, Table) for part in entry.entries.values()):
            problems.add("is not in the recipe", (name,), entry.origin, nearest(name, below.entries))


def _unused_budget(study: StudyFile, recipes: Iterable[Recipe]) -> list[Problem]:
    """A problem for each stage of the budget that no cell trains."""
    trained = {name for recipe in recipes for name in recipe.training.stages or recipe.stages}
    return [
        Problem("no cell trains this stage", f"budget.stage.{name}", table.origin, nearest(name, trained))
        for name, table in study.budget.entries.items()
        if name not in trained
    ]


def _same(designs: Sequence[Design], designed: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """A problem for each cell that is the same design as an earlier one."""
    problems = []
    for number, design in enumerate(designs):
        for earlier in designs[:number]:
            if designed[earlier.name] == designed[design.name]:
                message = f"the cells '{earlier.name}' and '{design.name}' are the same recipe"
                hint = "its settings are the recipe's already, are set by the budget, or belong to untrained stages"
                problems.append(Problem(message, f"cell {design.name}", design.origin, hint))
                break
    return problems


def _changes(baseline: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Change, ...]:
    sides = [(path, baseline.get(path), own.get(path)) for path in dict.fromkeys([*baseline, *own])]
    return tuple(Change(path, before, after) for path, before, after in sides if before != after)


def with_solved(study: Study, solved: Mapping[str, Mapping[str, Any]]) -> Study:
    """The study whose cells have the settings that were solved for an equal budget, by cell and path."""
    recipes = {
        cell.name: cell.resolve(solved[cell.name]) if solved.get(cell.name) else cell.recipe for cell in study.cells
    }
    baseline = design_values(recipes[study.baseline.name])
    cells = tuple(
        evolve(cell, recipe=recipes[cell.name], changes=_changes(baseline, design_values(recipes[cell.name])))
        for cell in study.cells
    )
    return evolve(study, cells=cells)
