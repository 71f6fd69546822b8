"""Selectors: paths and patterns that choose the parameters which a stage trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from ..errors import JaniformError, Problem, nearest


def select(
    names: Iterable[str], selectors: Iterable[str], shared: Mapping[str, str] | None = None, what: str = "parameter"
) -> set[str]:
    """The names that at least one selector matches.

    A selector is a path, which selects everything below it (``generation.adapter``), or a pattern of paths, in which
    ``*`` matches any characters, dots included (``*.adapter``, ``backbone.layers.1?``). ``shared`` maps the paths of
    shared parts to those of their owners (``plan.shared``), which the names of weights begin with. ``what`` is the word
    for a name in messages.

    Raises ``JaniformError`` with every selector that matches nothing and the nearest path.
    """
    paths = {name: _paths(name, shared or {}) for name in names}
    chosen: set[str] = set()
    problems = []
    for selector in selectors:
        matched = {name for name, under in paths.items() if any(fnmatchcase(path, selector) for path in under)}
        if not matched:
            candidates = set().union(*paths.values())
            problems.append(Problem(f"selector '{selector}' matches no {what}", hint=nearest(selector, candidates)))
        chosen |= matched
    if problems:
        raise JaniformError(problems)
    return chosen


def _paths(name: str, shared: Mapping[str, str]) -> list[str]:
    """A parameter's name and every path above it, including those through parts that share its owner."""
    names = [name, *(path + name[len(owner) :] for path, owner in shared.items() if name.startswith(f"{owner}."))]
    split = [alias.split(".") for alias in names]
    return [".".join(parts[:length]) for parts in split for length in range(1, len(parts) + 1)]
