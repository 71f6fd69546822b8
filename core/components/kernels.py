"""Names of attention kernels, as recipes and the command line give them."""

from __future__ import annotations

from ..errors import JaniformError, Problem
from .component import Component
from .registry import Registry

AUTO = "auto"
"""In place of a kernel's name: the best kernel for the request."""

DEFAULT = "sdpa"
"""The kernel that is used where none is named. It supports every request."""


def find(name: str, registry: Registry) -> Component:
    """The kernel of a name. Raises ``ComponentError`` with all names, ``auto`` included, where there is none."""
    try:
        return registry.find("kernel", name)
    except JaniformError as error:
        problem = error.problems[0]
        names = ", ".join([*dict.fromkeys(component.name for component in registry.components("kernel")), AUTO])
        hint = "; ".join(filter(None, [problem.hint, f"choose one of {names}"]))
        raise type(error)(Problem(problem.message, hint=hint)) from None
