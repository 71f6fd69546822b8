"""A part of the model: a component that is used, or another part that is shared."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..components.component import Component


@frozen
class Use:
    """A component at a path of a recipe. ``config`` is an instance of ``component.config``.

    Two uses are equal when they name the same version of the same component with equal settings.
    """

    kind: str
    component: Component = field(eq=lambda component: component.reference)
    config: Any

    @property
    def reference(self) -> str:
        """``"siglip@1"``."""
        return self.component.reference


@frozen
class Share:
    """A part that is not built, because the part at ``path`` is used. ``path`` always names a ``Use``."""

    path: str
