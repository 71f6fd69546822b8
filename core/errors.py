"""What a user did wrong, said so that he can mend it: where, what, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import field, frozen


@frozen
class Origin:
    """Where a value was written: a file and its line, a ``--set`` override, a preset, a default, Python code.

    ``folder`` is where a relative path that is written there starts: that of the file, or where janiform is called.
    """

    source: str
    line: int | None = None
    folder: Path | None = field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@frozen
class Problem:
    """One mistake: a sentence, the path in the recipe (``generation.adapter``), where it stands, what would help."""

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
    """A mistake that the user can mend; the command line prints it without a traceback and exits with ``exit_code``."""

    exit_code = 1

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(JaniformError):
    """The command was called wrongly: an unknown model, a missing file, a flag that cannot be."""

    exit_code = 2


class ComponentError(JaniformError):
    """A component or plugin that is unknown, broken, or claimed twice."""


class RecipeError(JaniformError):
    """A recipe that does not read: all its problems in one report."""


class CompositionError(JaniformError):
    """Parts that read well but do not fit together; both ends are named."""


class StorageError(JaniformError):
    """A model directory, checkpoint or weight file that is missing, damaged or does not belong to the recipe."""


class ResourceError(JaniformError):
    """What the machine has, its memory above all, does not suffice; said before any work begins."""


class PictureError(JaniformError):
    """A file that is no picture, or one that must not be decoded. ``kind`` is what such files are counted by."""

    def __init__(self, problems: str | Problem | Sequence[Problem], kind: str = "damaged picture") -> None:
        super().__init__(problems)
        self.kind = kind


class SampleError(JaniformError):
    """One example of a source cannot be used, while the others can: training counts it and takes the next.

    ``kind`` is a word or two that such examples are counted by: "no caption".
    """

    def __init__(self, problems: str | Problem | Sequence[Problem], kind: str = "unusable") -> None:
        super().__init__(problems)
        self.kind = kind


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest of ``known``, or lists them where they are few; empty where nothing helps."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if 0 < len(known) <= 20:
        return "known: " + ", ".join(known)
    return ""
