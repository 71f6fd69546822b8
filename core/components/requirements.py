"""The version of janiform that a plugin requires, from its metadata: ``Requires-Dist: janiform>=0.2``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import __version__
from ..errors import Problem
from .hookspec import PROJECT


def unmet(requires: Iterable[str]) -> Problem | None:
    """The first requirement on janiform that this version does not meet; None where all are met.

    pip refuses to install such a plugin, but janiform may have been replaced since, or pip may have skipped the check.
    A requirement that cannot be parsed is ignored.
    """
    own = [line for line in requires if line.lower().startswith(PROJECT)]
    if not own:
        return None
    from packaging.requirements import (
        InvalidRequirement,
        Requirement,
    )  # imported late: only third-party plugins need it

    for line in own:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if requirement.name.lower() != PROJECT or (marker is not None and not marker.evaluate({"extra": ""})):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            hint = (
                f"pip install '{PROJECT}{requirement.specifier}', or install a version of the plugin for {__version__}"
            )
            return Problem(f"it needs janiform {requirement.specifier}, but this is janiform {__version__}", hint=hint)
    return None


def other_janiform(error: BaseException) -> str:
    """A remark on an import that failed because janiform has no such name; empty for other errors."""
    if not isinstance(error, ImportError) or (error.name or "").partition(".")[0] != PROJECT:
        return ""
    return f"; this is janiform {__version__}, and the plugin may have been written for another"
