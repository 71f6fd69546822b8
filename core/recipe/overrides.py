"""Overrides: lines of TOML from the command line, merged over the files of a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..components.kinds import KINDS, SINGLE_PARTS
from ..errors import JaniformError, Origin, Problem, nearest
from . import files
from .merge import Merger
from .positions import KeyPath
from .problems import ProblemList
from .tree import Table, dotted, grow

_FIXED = ("recipe", "extends")
_ALWAYS = {
    "name",
    "description",
    "start",
    "training",
    "sink",
    *(kind for kind in SINGLE_PARTS if KINDS[kind].default or KINDS[kind].optional),
}
"""What an override may set although the recipe has no such table."""


def apply_overrides(tree: Table, lines: Iterable[str], merger: Merger, problems: ProblemList) -> Table:
    """The tree with its overrides, each ``path = value``. A line without effect is a problem."""
    for line in lines:
        origin = Origin(f"--set '{' '.join(line.split())}'", folder=Path())
        try:
            above = _parse(line, origin)
            _check_target(tree, above, origin)
        except JaniformError as error:
            problems.items += error.problems
        else:
            tree = merger.merge(tree, above)
    return tree


def _parse(line: str, origin: Origin) -> Table:
    if "\n" in line.strip():
        raise JaniformError(Problem("has more than one line", origin=origin, hint="use one --set per line"))
    try:
        values = files.load(line, lambda _: origin)
    except JaniformError as error:
        message = error.problems[0].message.replace(" at line 1,", "")
        raise JaniformError(Problem(message, origin=origin, hint=_quoting_hint(line))) from error
    path, value = _single(values)
    if not path or (isinstance(value, dict) and "=" not in line):
        hint = "write path = value, such as generation.adapter.depth = 3"
        raise JaniformError(Problem("sets nothing", origin=origin, hint=hint))
    tree = grow(values, lambda _: origin)
    assert isinstance(tree, Table)
    return tree


def _single(values: dict[str, object]) -> tuple[KeyPath, object]:
    """The path that all of a line's values have in common, and the value there."""
    path: KeyPath = ()
    value: object = values
    while isinstance(value, dict) and len(value) == 1:
        name, value = next(iter(value.items()))
        path = (*path, name)
    return path, value


def _quoting_hint(line: str) -> str:
    """A shell strips quotes, so a string without quotes is the usual mistake."""
    name, equals, value = line.partition("=")
    if not equals:
        return "write path = value, such as generation.adapter.depth = 3"
    value = value.strip()
    if value and value[0] not in "\"'[{":
        return f"""a string needs quotes, and the shell needs others around them: --set '{name.strip()}="{value}"'"""
    return ""


def _check_target(tree: Table, above: Table, origin: Origin) -> None:
    """An override cannot add a pathway, source or stage: a misspelt name would go unnoticed."""
    for name, entry in above.entries.items():
        if name in _FIXED:
            raise JaniformError(Problem("cannot be overridden", name, origin, "write it in a file"))
        _check_exists(name, (), [*tree.entries, *_ALWAYS], origin)
        if name in ("source", "stage") and isinstance(entry, Table):
            section = tree.entries.get(name)
            for inner in entry.entries:
                _check_exists(inner, (name,), section.entries if isinstance(section, Table) else (), origin)


def _check_exists(name: str, path: KeyPath, existing: Iterable[str], origin: Origin) -> None:
    if name not in (existing := set(existing)):
        raise JaniformError(Problem("is not in the recipe", dotted((*path, name)), origin, nearest(name, existing)))
