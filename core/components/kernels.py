"""Names of attention kernels, as recipes and the command line give them."""

from __future__ import annotations

from ..errors import JaniformError, Problem
from .component import Component
from .registry import Registry

AUTO = "auto"
"""Stands where the name of a kernel stands: the one that is best for what is asked."""

DEFAULT = "sdpa"
"""The kernel that is used where none is named. It serves everything."""


def find(name: str, registry: Registry) -> Component:
    """The component; ``ComponentError`` where there is none, saying that there is ``auto`` too."""
    try:
        return registry.find("kernel", name)
    except JaniformError as error:
        problem = error.problems[0]
        known = ", ".join([*dict.fromkeys(component.name for component in registry.components("kernel")), AUTO])
        hint = "; ".join(filter(None, [problem.hint, f"there are: {known}"]))
        raise type(error)(Problem(problem.message, hint=hint)) from None
