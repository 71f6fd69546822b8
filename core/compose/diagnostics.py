"""The problems of one composition, and how messages name the parts on both sides of a mismatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import Origin, Problem
from ..recipe import Share

if TYPE_CHECKING:
    from ..recipe import Recipe, Use


class Diagnostics:
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
        """The component at a path: ``siglip@1``."""
        entry = self.entries[path]
        return f"shared {entry.path}" if isinstance(entry, Share) else entry.component.reference

    def describe(self, path: str, setting: str = "") -> str:
        """A part with its component and origin: ``understanding.encoder (siglip@1, my.toml:12)``.

        With ``setting``, the origin is that of this setting of the part.
        """
        origin = self._origins.get(f"{path}.{setting}", self.origin(path))
        return f"{path} ({self.component(path)}, {origin})" if origin else f"{path} ({self.component(path)})"
