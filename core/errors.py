"""Errors that a user can fix, reported as what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import field, frozen


@frozen
class Origin:
    """Where a value comes from: a file and its line, a ``--set`` override, a preset, a default, Python code.

    ``folder`` is what relative paths in the value start from: the file's folder, or the working directory.
    """

    source: str
    line: int | None = None
    folder: Path | None = field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@frozen
class Problem:
    """One mistake: a sentence, the path in the recipe (``generation.adapter``), its origin, and a hint."""

    message: str
    path: str = ""
    origin: Origin | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.origin}: " if self.origin else ""
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{path}{self.message}{hint}"


class JaniformError(Exception):
    """An error that the user can fix, printed without a traceback; the command exits with ``exit_code``."""

    exit_code = 1

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(JaniformError):
    """A command or function was called with wrong arguments: an unknown model, a missing file, conflicting options."""

    exit_code = 2


class ComponentError(JaniformError):
    """A component or plugin that is unknown, broken or registered twice."""


class RecipeError(JaniformError):
    """A recipe that cannot be read; all its problems in one report."""


class CompositionError(JaniformError):
    """Parts of a valid recipe that do not fit together; both are named."""


class StorageError(JaniformError):
    """A model directory, checkpoint or file of weights that is missing, damaged or does not fit the recipe."""


class ResourceError(JaniformError):
    """The machine has too little memory or another resource; raised before work begins."""


class PictureError(JaniformError):
    """A file that is not a picture, or must not be decoded. ``kind`` groups such files in counts."""

    def __init__(self, problems: str | Problem | Sequence[Problem], kind: str = "damaged picture") -> None:
        super().__init__(problems)
        self.kind = kind


class SampleError(JaniformError):
    """An example of a source that cannot be used; training counts it and uses the next one.

    ``kind`` groups such examples in counts: "no caption".
    """

    def __init__(self, problems: str | Problem | Sequence[Problem], kind: str = "unusable") -> None:
        super().__init__(problems)
        self.kind = kind


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the closest of ``known``, or a list of them where they are few; otherwise empty."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if 0 < len(known) <= 20:
        return "known: " + ", ".join(known)
    return ""
