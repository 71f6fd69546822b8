"""The differences between two recipes, by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from ..errors import Origin
from .recipe import Recipe
from .values import toml_key
from .write import origin_of, tables


@frozen
class Side:
    """A value in one recipe, and where it was written."""

    value: Any
    origin: Origin | None


@frozen
class Difference:
    """A path at which two recipes differ; a side is None where its recipe has no value there."""

    path: str
    left: Side | None
    right: Side | None


def diff(left: Recipe, right: Recipe) -> list[Difference]:
    """Every value that differs, in the order of the left recipe, then the values that only the right one has."""
    values = [dict(values_of(left)), dict(values_of(right))]
    return [
        Difference(path, _side(left, values[0], path), _side(right, values[1], path))
        for path in dict.fromkeys([*values[0], *values[1]])
        if path not in values[0] or path not in values[1] or values[0][path] != values[1][path]
    ]


def values_of(recipe: Recipe, *, defaults: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield every setting of a recipe with its path, in the order in which it is written.

    ``defaults``: also those that have their default value.
    """
    for path, table in tables(recipe, defaults=defaults).items():
        yield from _flat(path, table)


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(f"{path}.{toml_key(name)}" if path else name, item)
    else:
        yield path, value


def _side(recipe: Recipe, values: Mapping[str, Any], path: str) -> Side | None:
    return Side(values[path], origin_of(recipe, path)) if path in values else None
