"""Recipes written in Python, processed as those in files, so that both give equal objects."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ..components.registry import Registry
from ..components.registry import registry as process_registry
from ..errors import Origin, Problem, RecipeError
from . import files
from .grammar import GRAMMAR
from .positions import KeyPath
from .read import resolve
from .recipe import Recipe
from .tree import dotted, table_from

_LEAVES = (bool, int, float, str)


def use(component: str, **settings: Any) -> dict[str, Any]:
    """A part for ``build``: a component, ``"siglip"`` or ``"siglip@1"``, with settings and optionally a ``preset``."""
    return {"use": component, **settings}


def share(path: str) -> dict[str, Any]:
    """A part for ``build`` that shares the part at ``path``, or a whole pathway that shares another."""
    return {"share": path}


def build(
    *, overrides: Sequence[str] = (), registry: Registry | None = None, name: str = "recipe", **tables: Any
) -> Recipe:
    """A recipe from keyword arguments, which are the tables of a file.

    ::

        build(
            name="small",
            backbone=use("llama", preset="deepseek-llm-1.5b"),
            understanding={"encoder": use("siglip", width=64), "adapter": use("mlp")},
        )

    Values may be numbers, strings, booleans, paths, lists, tuples and dicts; None means that a value is left out.
    Raises ``RecipeError``; the origin of every problem is the line of the call.
    """
    frame = sys._getframe(1)
    origin = Origin(frame.f_code.co_filename, frame.f_lineno)
    values = {"recipe": GRAMMAR, "name": name, **tables}
    if refusal := files.refusal_of(values):
        raise RecipeError(Problem(refusal, origin=origin))
    problems: list[Problem] = []
    plain_values = _plain(values, (), origin, problems)
    if problems:
        raise RecipeError(problems)
    return resolve(table_from(plain_values, origin), overrides, registry or process_registry(), (), name)


def _plain(value: Any, path: KeyPath, origin: Origin, problems: list[Problem]) -> Any:
    """The value as plain data that a file can contain; anything else is added to the problems."""
    if isinstance(value, Mapping):
        plain = {}
        for key, item in value.items():
            if not isinstance(key, str):
                problems.append(Problem(f"the key {key!r} is not a string", dotted(path), origin))
            elif item is not None:
                plain[key] = _plain(item, (*path, key), origin, problems)
        return plain
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index), origin, problems) for index, item in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    if type(value) not in _LEAVES:
        message = f"a recipe cannot contain {type(value).__name__}"
        problems.append(Problem(message, dotted(path), origin, "use numbers, strings, booleans, lists and dicts"))
    elif isinstance(value, str) and not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value):
        problems.append(Problem("contains half of a surrogate pair, which a file cannot", dotted(path), origin))
    return value
