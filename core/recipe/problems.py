"""All problems of one reading, gathered on the way and reported together."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import Origin, Problem, RecipeError
from .positions import KeyPath
from .structure import Mistakes
from .tree import Node, dotted, nearest_origin


class ProblemList:
    """ProblemList so far. ``incomplete``: a file could not be read, so what seems missing may have been there."""

    def __init__(self) -> None:
        self.items: list[Problem] = []
        self.incomplete = False

    def add(self, message: str, path: KeyPath, origin: Origin, hint: str = "") -> None:
        self.items.append(Problem(message, dotted(path), origin, hint))

    def missing(self, message: str, path: KeyPath, origin: Origin, hint: str = "") -> None:
        """A problem that is none where part of the recipe could not be read."""
        if not self.incomplete:
            self.add(message, path, origin, hint)

    def lost(self, problems: Iterable[Problem]) -> None:
        """A file that could not be read."""
        self.items += problems
        self.incomplete = True

    def mistakes(self, mistakes: Mistakes, path: KeyPath, node: Node, hint: str = "") -> None:
        """What structuring a node found. ``hint`` is for what is missing."""
        for mistake in mistakes.found:
            note = self.missing if mistake.missing else self.add
            hints = [mistake.hint, hint if mistake.missing else ""]
            origin = nearest_origin(node, mistake.path)
            note(mistake.message, (*path, *mistake.path), origin, "; ".join(filter(None, hints)))

    def raise_if_any(self) -> None:
        """Raises ``RecipeError`` with every problem, by file and line."""
        if self.items:
            raise RecipeError(sorted(dict.fromkeys(self.items), key=_place))


def _place(problem: Problem) -> tuple[str, int]:
    origin = problem.origin or Origin("")
    return origin.source, origin.line or 0
