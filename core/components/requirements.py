"""Which janiform a plugin was written for, as its distribution's metadata says: ``Requires-Dist: janiform>=0.2``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import __version__
from ..errors import Problem
from .hookspec import PROJECT


def unmet(requires: Iterable[str]) -> Problem | None:
    """The first requirement on janiform that this one does not meet; None where all are met.

    pip refuses to install such a plugin, but janiform may be older by the time it is used, or pip may have been told
    not to look. A requirement that cannot be read is nobody's reason to refuse.
    """
    ours = [line for line in requires if line.lower().startswith(PROJECT)]
    if not ours:
        return None
    from packaging.requirements import InvalidRequirement, Requirement  # not for those who have built-in parts only

    for line in ours:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.name.lower() != PROJECT or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
            continue
        if not wanted.specifier.contains(__version__, prereleases=True):
            hint = f"pip install '{PROJECT}{wanted.specifier}', or install a version of the plugin for {__version__}"
            return Problem(f"it needs janiform {wanted.specifier}, and this is janiform {__version__}", hint=hint)
    return None


def other_janiform(error: BaseException) -> str:
    """What to add about an import that failed because janiform has no such name; empty where it was something else."""
    if not isinstance(error, ImportError) or (error.name or "").partition(".")[0] != PROJECT:
        return ""
    return f"; this is janiform {__version__}, and the plugin may have been written for another"
