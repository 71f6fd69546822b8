"""From axes and tables of cells to designs: which recipe each cell changes, and by which layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from attrs import field, frozen

from ..errors import Origin, nearest
from ..recipe.problems import ProblemList
from ..recipe.tree import Leaf, Table, plain
from ..recipe.values import got
from .file import StudyFile, name_fault
from .study import BASE

MAX_CELLS = 1000


MOST_CHARACTERS = 120
"""The longest summary of a cell."""


@frozen(eq=False)
class Design:
    """A cell before its recipe is resolved.

    ``reference``: the recipe's name or file, relative to the study's. ``layers``: tables that are laid over it, lowest
    first. ``summary``: what they change, in words of the study; empty where it has none.
    """

    name: str
    reference: str
    layers: tuple[Table, ...]
    origin: Origin
    values: Mapping[str, str] = field(factory=dict)
    summary: str = ""


def designs_of(study: StudyFile, problems: ProblemList) -> tuple[list[Design], tuple[str, ...]]:
    """The designs of a study, each name once, and the names of combinations that ``except`` leaves out."""
    return _Combiner(study, problems).designs()


class _Combiner:
    def __init__(self, study: StudyFile, problems: ProblemList) -> None:
        self.study, self.problems, self.settings = study, problems, study.settings
        self.found: dict[str, Design] = {}

    def designs(self) -> tuple[list[Design], tuple[str, ...]]:
        self._check_axes()
        baseline = self.settings.baseline or BASE
        if (baseline == BASE or self.settings.one_at_a_time) and BASE not in self.study.cells:
            self._add(BASE, (), {}, self.study.origin("base"))
        for name, table in self.study.cells.items():
            self._add(name, (table,), {}, table.origin)
        for axis in self.settings.one_at_a_time:
            for value, table in self.study.axes.get(axis, {}).items():
                if table.entries:  # an empty table is the base
                    self._add(value, (table,), {axis: value}, table.origin)
        left_out = self._grids()
        if baseline not in self.found:
            message = f"there is no cell '{baseline}'"
            self.problems.add(message, ("baseline",), self.study.origin("baseline"), nearest(baseline, self.found))
        elif len(self.found) == 1:
            hint = "add [cell.NAME], or an axis with `grid` or `one_at_a_time`"
            message = "the study has one cell only, which is compared with nothing"
            self.problems.add(message, (), self.study.tree.origin, hint)
        return list(self.found.values()), left_out

    def _check_axes(self) -> None:
        axes = self.study.axes
        for name, values in axes.items():
            origin = self.study.origin("axis", name)
            if not values:
                self.problems.add("the axis has no values", ("axis", name), origin, f"add [axis.{name}.VALUE]")
        swept = {*self.settings.one_at_a_time, *(axis for grid in self._listed() for axis in grid)}
        for name in sorted(swept - axes.keys()):
            key = "one_at_a_time" if name in self.settings.one_at_a_time else "grid"
            self.problems.add(f"there is no axis '{name}'", (key,), self.study.origin(key), nearest(name, axes))
        for name in axes.keys() - swept if len(axes) > 1 else ():
            hint = "name it in `grid` or `one_at_a_time`"
            self.problems.add("no cell has a value of this axis", ("axis", name), self.study.origin("axis", name), hint)

    def _listed(self) -> list[tuple[str, ...]]:
        """The grids, each a list of axes; a single axis of the study is a grid unless it is named otherwise."""
        grid, axes = self.settings.grid, tuple(self.study.axes)
        if not grid:
            return [axes] if len(axes) == 1 and not self.settings.one_at_a_time else []
        plain_axes = tuple(item for item in grid if isinstance(item, str))
        return [*([plain_axes] if plain_axes else []), *(item for item in grid if not isinstance(item, str))]

    def _grids(self) -> tuple[str, ...]:
        left_out: dict[str, None] = {}
        used: set[int] = set()
        for axes in self._listed():
            kept = 0
            for values in self._combinations(axes):
                name = "+".join(values.values())
                if (number := self._excluded(values)) is not None:
                    used.add(number)
                    left_out[name] = None
                    continue
                kept += 1
                layers = tuple(self.study.axes[axis][value] for axis, value in values.items())
                if name not in self.found or self.found[name].values != values:
                    self._add(name, layers, values, layers[-1].origin)
            if not kept and all(axis in self.study.axes for axis in axes):
                hint = "shorten `except`"
                self.problems.add("nothing of the grid is left", ("grid",), self.study.origin("grid"), hint)
        for number, rule in enumerate(self.settings.excluded):
            if number not in used:
                message = f"the combination {dict(rule)} is not in the grid, so it leaves nothing out"
                self.problems.add(message, ("except", number), self.study.origin("except"), self._near(rule))
        return tuple(left_out)

    def _combinations(self, axes: tuple[str, ...]) -> Iterator[dict[str, str]]:
        values = [list(self.study.axes.get(axis, {})) for axis in axes]
        count = 1
        for some in values:
            count *= len(some)
        if count > MAX_CELLS:
            message = f"the grid has {count:,} cells, more than {MAX_CELLS:,}"
            self.problems.add(message, ("grid",), self.study.origin("grid"), "use one_at_a_time")
            return
        yield from (dict(zip(axes, chosen, strict=True)) for chosen in product(*values))

    def _excluded(self, values: Mapping[str, str]) -> int | None:
        """The number of the first rule that a combination matches."""
        for number, rule in enumerate(self.settings.excluded):
            lists = {axis: (some,) if isinstance(some, str) else some for axis, some in rule.items()}
            if lists and all(values.get(axis) in some for axis, some in lists.items()):
                return number
        return None

    def _near(self, rule: Mapping[str, str | tuple[str, ...]]) -> str:
        for axis, some in rule.items():
            if axis not in self.study.axes:
                return nearest(axis, self.study.axes)
            for value in (some,) if isinstance(some, str) else some:
                if value not in self.study.axes[axis]:
                    return nearest(value, self.study.axes[axis])
        return ""

    def _add(self, name: str, layers: tuple[Table, ...], values: Mapping[str, str], origin: Origin) -> None:
        if name in self.found:
            before = self.found[name].origin
            self.problems.add(f"another cell, at {before}, has the name '{name}'", (), origin, "rename one of them")
            return
        if fault := name_fault(name.replace("+", "-")[:60]):
            self.problems.add(f"the name '{name}' of a cell: {fault}", (), origin)
        reference = self._reference(layers, origin)
        if reference is not None:
            below = tuple(layer.without("recipe", "summary") for layer in layers)
            self.found[name] = Design(name, reference, below, origin, dict(values), self._summary(layers))

    def _summary(self, layers: tuple[Table, ...]) -> str:
        """What the layers change, in words of the study."""
        words = []
        for node in (layer.entries["summary"] for layer in layers if "summary" in layer.entries):
            value = plain(node)
            if not isinstance(value, str) or not value.strip() or len(value) > MOST_CHARACTERS:
                hint = f"what the cell changes, in a few words of at most {MOST_CHARACTERS} characters"
                self.problems.add(f"expected a text, got {got(value)}", ("summary",), node.origin, hint)
            else:
                words.append(value.strip())
        return ", ".join(words)

    def _reference(self, layers: tuple[Table, ...], origin: Origin) -> str | None:
        """The recipe that the layers change: the one that a layer names, or the base."""
        named = [layer.entries["recipe"] for layer in layers if "recipe" in layer.entries]
        for node in named:
            if not isinstance(node, Leaf) or not isinstance(node.value, str):
                message = f"expected the name or file of a recipe, got {got(plain(node))}"
                self.problems.add(message, ("recipe",), node.origin)
                return None
        if len(named) > 1:
            self.problems.add(f"the recipe is named at {named[0].origin} as well", ("recipe",), named[1].origin)
            return None
        if not named and not self.settings.base:
            if not any(problem.path == "base" for problem in self.problems.items):
                hint = 'write base = "janus-mini"; or give every cell a recipe'
                self.problems.add("is missing", ("base",), self.study.tree.origin, hint)
            return None
        return str(plain(named[0])) if named else self.settings.base
