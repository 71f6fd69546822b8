"""Errors for users: what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import field, frozen


@frozen
class Origin:
    """The origin of a value: a file and its line, a ``--set`` override, a preset, a default, Python code.

    ``folder`` is where relative paths at this origin start: the file's folder, or the working directory.
    """

    source: str
    line: int | None = None
    folder: Path | None = field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@frozen
class Problem:
    """One problem: a message, the path in the recipe (``generation.adapter``), the origin, and a hint."""

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
    """An error that the user can fix; the command line prints it without a traceback and exits with ``exit_code``."""

    exit_code = 1

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(JaniformError):
    """A wrong call: an unknown model, a missing file, an invalid option."""

    exit_code = 2


class ComponentError(JaniformError):
    """A component or plugin that is unknown, broken, or registered twice."""


class RecipeError(JaniformError):
    """A recipe that is not valid, with all its problems."""


class CompositionError(JaniformError):
    """Valid parts that do not fit together; messages name both ends."""


class StorageError(JaniformError):
    """A model directory, checkpoint or weight file that is missing, damaged, or not of the recipe."""


class ResourceError(JaniformError):
    """Too little memory or another resource, reported before any work begins."""


class PictureError(JaniformError):
    """A file that is not a picture, or must not be decoded. ``kind`` is the category in which it is counted."""

    def __init__(self, problems: str | Problem | Sequence[Problem], kind: str = "damaged picture") -> None:
        super().__init__(problems)
        self.kind = kind


class SampleError(JaniformError):
    """A single example of a source that cannot be used: training counts it and takes the next one.

    ``kind`` is the category in which it is counted, in a few words: "no caption".
    """

    def __init__(self, problems: str | Problem | Sequence[Problem], kind: str = "unusable") -> None:
        super().__init__(problems)
        self.kind = kind


def nearest(name: str, candidates: Iterable[str]) -> str:
    """A hint with the most similar candidate, or with all of them where they are few; else empty."""
    names = sorted(set(candidates))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if 0 < len(names) <= 20:
        return "known: " + ", ".join(names)
    return ""
