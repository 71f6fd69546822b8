"""The file of a study: its settings, axes, cells, budget and evaluations, before cells are made."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from ..errors import Origin, Problem, RecipeError
from ..recipe import Use, files
from ..recipe.part_reader import PartReader
from ..recipe.positions import KeyPath
from ..recipe.problems import ProblemList
from ..recipe.structure import Mistakes, structure
from ..recipe.tree import Leaf, Node, Table, plain
from ..recipe.values import got
from .study import StudySettings

GRAMMAR = 1
"""The version of the grammar of studies, as in ``study = 1``."""

_TABLES = ("axis", "cell", "budget", "evaluate")
_DEFAULT_EVALUATION = "shapes"


@frozen(eq=False)
class StudyFile:
    """The content of a study's file, before cells are made.

    ``axes``: overrides by axis and value. ``cells``: overrides by cell. ``budget``: laid over the stages of every cell.
    """

    file: files.RecipeFile
    tree: Table
    settings: StudySettings
    axes: Mapping[str, Mapping[str, Table]]
    cells: Mapping[str, Table]
    budget: Table
    evaluations: Mapping[str, Use]

    def origin(self, *path: str) -> Origin:
        """Where the value at a path is written, or the innermost table around it."""
        node: Node = self.tree
        for step in path:
            if not isinstance(node, Table) or step not in node.entries:
                break
            node = node.entries[step]
        return node.origin


def read_file(file: files.RecipeFile, tree: Table, parts: PartReader, problems: ProblemList) -> StudyFile:
    """The content of a study's file, whose problems are added to ``problems``.

    Raises ``RecipeError`` where the settings themselves cannot be read.
    """
    return _StudyReader(file, tree, parts, problems).read()


class _StudyReader:
    """Reads the tables of a study's file; problems are collected."""

    def __init__(self, file: files.RecipeFile, tree: Table, parts: PartReader, problems: ProblemList) -> None:
        self.file, self.tree, self.parts, self.problems = file, tree, parts, problems

    def read(self) -> StudyFile:
        """The content. Raises ``RecipeError`` where the settings themselves are not valid."""
        self._check_grammar()
        settings = self._settings()
        axes = {name: self._tables(("axis", name), table) for name, table in self._named("axis").items()}
        cells = self._named("cell")
        budget = self._budget()
        evaluations = self._evaluations()
        if settings is None:
            self.problems.raise_if_any()
            raise AssertionError("settings that cannot be read have problems")
        return StudyFile(self.file, self.tree, settings, axes, cells, budget, evaluations)

    def _check_grammar(self) -> None:
        node = self.tree.entries.get("study")
        if node is None:
            hint = f"begin the file with study = {GRAMMAR}"
            if "recipe" in self.tree.entries:
                hint = f"this is a recipe; a study begins with study = {GRAMMAR} and names one as its base"
            raise RecipeError(Problem("the grammar's version is missing", "study", self.tree.origin, hint))
        if plain(node) != GRAMMAR or isinstance(plain(node), bool):
            hint = f"this janiform reads grammar {GRAMMAR} of studies"
            raise RecipeError(Problem(f"expected {GRAMMAR}, got {got(plain(node))}", "study", node.origin, hint))

    def _settings(self) -> StudySettings | None:
        table = self.tree.without("study", *_TABLES)
        if "excluded" in table.entries:
            self.problems.add("unknown setting", ("excluded",), table.entries["excluded"].origin, "write except")
            table = table.without("excluded")
        entries = {"excluded" if name == "except" else name: node for name, node in table.entries.items()}
        table = Table(entries, table.origin)
        try:
            return structure(StudySettings, plain(table))
        except Mistakes as mistakes:
            named = Mistakes(
                evolve(item, path=("except", *item.path[1:])) if item.path[:1] == ("excluded",) else item
                for item in mistakes.items
            )
            entries = {"except" if name == "excluded" else name: node for name, node in entries.items()}
            self.problems.mistakes(named, (), Table(entries, table.origin))
            return None

    def _named(self, section: str) -> dict[str, Table]:
        node = self.tree.entries.get(section)
        return {} if node is None else self._tables((section,), node)

    def _tables(self, path: KeyPath, node: Node) -> dict[str, Table]:
        """The tables by name at a path."""
        if not isinstance(node, Table):
            self.problems.add(f"expected tables by name, got {got(plain(node))}", path, node.origin)
            return {}
        tables = {}
        for name, entry in node.entries.items():
            if not isinstance(entry, Table):
                hint = f"write [{'.'.join(map(str, path))}.NAME] with settings as in a recipe"
                self.problems.add(f"expected a table, got {got(plain(entry))}", (*path, name), entry.origin, hint)
            elif fault := name_fault(name):
                self.problems.add(fault, (*path, name), entry.origin)
            else:
                tables[name] = entry
        return tables

    def _budget(self) -> Table:
        """The budget: settings of stages, and nothing else."""
        node = self.tree.entries.get("budget")
        if node is None:
            return Table({}, self.tree.origin)
        stages = self._named("budget").get("stage", Table({}, node.origin))
        others = [name for name in node.entries if name != "stage"] if isinstance(node, Table) else []
        for name in others:
            hint = "a budget sets [budget.stage.NAME] only; what makes a design belongs to its cell"
            self.problems.add("unknown setting", ("budget", name), node.entries[name].origin, hint)  # type: ignore[union-attr]
        return Table(dict(self._tables(("budget", "stage"), stages)), stages.origin)

    def _evaluations(self) -> dict[str, Use]:
        tables = self._named("evaluate")
        if not tables and "evaluate" not in self.tree.entries:
            origin = Origin("default")
            tables = {_DEFAULT_EVALUATION: Table({"use": Leaf(_DEFAULT_EVALUATION, origin)}, origin)}
        uses = {name: self.parts.use(("evaluate", name), "benchmark", table) for name, table in tables.items()}
        return {name: use for name, use in uses.items() if use is not None}


def name_fault(name: str) -> str:
    """Why a name of a cell, an axis or one of its values cannot be part of a folder's name; empty where it can be."""
    if not name or name.strip() != name or len(name) > 60:
        return "a name must have 1 to 60 characters, without spaces at its ends"
    if not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
        return "a name may have letters, digits, - _ and . and must not begin with a ."
    return ""
