"""All problems of one recipe, collected while it is read and reported together."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import Origin, Problem, RecipeError
from .positions import KeyPath
from .structure import Mistakes
from .tree import Node, dotted, nearest_origin


class ProblemList:
    """ProblemList so far. ``incomplete``: a file could not be read, so values that seem missing may be in it."""

    def __init__(self) -> None:
        self.items: list[Problem] = []
        self.incomplete = False

    def add(self, message: str, path: KeyPath, origin: Origin, hint: str = "") -> None:
        self.items.append(Problem(message, dotted(path), origin, hint))

    def missing(self, message: str, path: KeyPath, origin: Origin, hint: str = "") -> None:
        """Add the problem that something is missing, unless a file was unreadable."""
        if not self.incomplete:
            self.add(message, path, origin, hint)

    def unreadable(self, problems: Iterable[Problem]) -> None:
        """Add the problems of a file that could not be read."""
        self.items += problems
        self.incomplete = True

    def mistakes(self, mistakes: Mistakes, path: KeyPath, node: Node, hint: str = "") -> None:
        """Add the mistakes of a structured node. ``hint`` belongs to missing values."""
        for mistake in mistakes.items:
            add = self.missing if mistake.missing else self.add
            hints = [mistake.hint, hint if mistake.missing else ""]
            origin = nearest_origin(node, mistake.path)
            add(mistake.message, (*path, *mistake.path), origin, "; ".join(filter(None, hints)))

    def raise_if_any(self) -> None:
        """Raise ``RecipeError`` with every problem, ordered by file and line, if there is any."""
        if self.items:
            raise RecipeError(sorted(dict.fromkeys(self.items), key=_position))


def _position(problem: Problem) -> tuple[str, int]:
    origin = problem.origin or Origin("")
    return origin.source, origin.line or 0
