"""The files of a recipe: those that it extends, in the order in which they are merged, then its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..components.registry import Registry
from ..errors import JaniformError, Origin, Problem
from . import files
from .grammar import GRAMMAR
from .problems import ProblemList
from .tree import Array, Leaf, Node, Table, plain
from .values import got

MAX_FILES = 64


class Extends:
    """Reads a recipe and everything that it extends. Problems are collected, and readable files are used anyway."""

    def __init__(self, registry: Registry, problems: ProblemList) -> None:
        self.registry = registry
        self.problems = problems
        self._trees: dict[Path, Table | None] = {}
        self._count = 0

    def layers(self, tree: Table, chain: tuple[files.RecipeFile, ...]) -> list[Table]:
        """The trees that a file extends, then its own. ``chain`` are the files that lead to it, itself last."""
        self._check_grammar(tree)
        own = tree.without("recipe", "extends")
        below: list[Table] = []
        listed: set[Path] = set()
        for reference, origin in self._extended(tree):
            try:
                file = files.locate(reference, self.registry, chain[-1].path.parent if chain else None)
            except JaniformError as error:
                self.problems.unreadable(
                    [Problem(error.problems[0].message, "extends", origin, error.problems[0].hint)]
                )
                continue
            below += self._extend(file, origin, chain, listed)
        # A file does not inherit the name and the description of what it extends.
        return [layer.without("name", "description") for layer in below] + [own]

    def _extend(
        self, file: files.RecipeFile, origin: Origin, chain: tuple[files.RecipeFile, ...], listed: set[Path]
    ) -> list[Table]:
        path = file.path.resolve()
        above = [other.path.resolve() for other in chain]
        if path in above:
            cycle = [*(other.label for other in chain[above.index(path) :]), file.label]
            self.problems.unreadable(
                [Problem(f"a recipe cannot extend itself: {' → '.join(cycle)}", "extends", origin)]
            )
            return []
        if path in listed:
            self.problems.add(f"names {file.label} twice", ("extends",), origin)
            return []
        listed.add(path)
        self._count += 1
        if self._count > MAX_FILES:
            if self._count == MAX_FILES + 1:
                self.problems.unreadable(
                    [Problem(f"a recipe can extend at most {MAX_FILES} others", "extends", origin)]
                )
            return []
        tree = self._read(path, file)
        return [] if tree is None else self.layers(tree, (*chain, file))

    def _read(self, path: Path, file: files.RecipeFile) -> Table | None:
        if path not in self._trees:
            try:
                self._trees[path] = files.read(file)
            except JaniformError as error:
                self._trees[path] = None
                self.problems.unreadable(error.problems)
        return self._trees[path]

    def _extended(self, tree: Table) -> Iterator[tuple[str, Origin]]:
        node = tree.entries.get("extends")
        nodes: tuple[Node, ...] = node.items if isinstance(node, Array) else (node,) if node is not None else ()
        for item in nodes:
            if isinstance(item, Leaf) and isinstance(item.value, str):
                yield item.value, item.origin
            else:
                message = f"expected the name or path of a recipe, or a list of them, got {got(plain(item))}"
                self.problems.unreadable([Problem(message, "extends", item.origin)])

    def _check_grammar(self, tree: Table) -> None:
        node = tree.entries.get("recipe")
        value = None if node is None else plain(node)
        problem = Problem(f"expected {GRAMMAR}, got {got(value)}", "recipe", (node or tree).origin)
        if node is None:
            hint = f"begin the file with recipe = {GRAMMAR}"
            problem = Problem("the grammar's version is missing", "recipe", tree.origin, hint)
        elif isinstance(value, int) and not isinstance(value, bool):
            if value == GRAMMAR:
                return
            hint = f"this janiform reads grammar {GRAMMAR}"
            problem = Problem(f"grammar {value} is unknown", "recipe", node.origin, hint)
        self.problems.items.append(problem)
