"""The problems of one composition, and how they name the two ends of a misfit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import Origin, Problem
from ..recipe import Share

if TYPE_CHECKING:
    from ..recipe import Recipe, Use


class Findings:
    """Collects every problem of a recipe, so that all of them are reported at once."""

    def __init__(self, recipe: Recipe) -> None:
        self.problems: list[Problem] = []
        self.entries: dict[str, Use | Share] = dict(recipe.parts())
        self._origins: Mapping[str, Origin] = recipe.origins

    def add(self, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(message, path, self.origin(path), hint))

    def origin(self, path: str) -> Origin | None:
        """Where a part was chosen: its ``use`` or ``share``, its table, or the nearest table around it."""
        for name in (f"{path}.use", f"{path}.share", path):
            if name in self._origins:
                return self._origins[name]
        parent = path.rpartition(".")[0]
        return self.origin(parent) if parent else None

    def component(self, path: str) -> str:
        """``siglip@1``: what stands at a path."""
        entry = self.entries[path]
        return f"shared {entry.path}" if isinstance(entry, Share) else entry.component.reference

    def end(self, path: str, setting: str = "") -> str:
        """``understanding.encoder (siglip@1, my.toml:12)``: a part by path, component and place.

        The place is that of a ``setting`` where it is the one that matters.
        """
        origin = self._origins.get(f"{path}.{setting}", self.origin(path))
        return f"{path} ({self.component(path)}, {origin})" if origin else f"{path} ({self.component(path)})"
