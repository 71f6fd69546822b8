"""Values with their origins: the common form of a recipe's text, an override, a preset and Python code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from ..errors import Origin
from .positions import KeyPath

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@frozen(eq=False)
class Leaf:
    """A value that is neither a table nor a list."""

    value: Any
    origin: Origin


@frozen(eq=False)
class Array:
    """A list of nodes."""

    items: tuple[Node, ...]
    origin: Origin


@frozen(eq=False)
class Table:
    """Named values in the order in which they are written. ``origin`` is where the table is first named."""

    entries: Mapping[str, Node]
    origin: Origin

    def without(self, *names: str) -> Table:
        return Table({name: node for name, node in self.entries.items() if name not in names}, self.origin)

    def text(self, name: str) -> str | None:
        """The string under a name; None where there is none."""
        node = self.entries.get(name)
        return node.value if isinstance(node, Leaf) and isinstance(node.value, str) else None


Node = Leaf | Array | Table


def grow(value: Any, locate: Callable[[KeyPath], Origin], path: KeyPath = ()) -> Node:
    """Plain data to a tree; ``locate`` gives the origin of the value at a path."""
    if isinstance(value, Mapping):
        return Table({key: grow(item, locate, (*path, key)) for key, item in value.items()}, locate(path))
    if isinstance(value, list | tuple):
        items = tuple(grow(item, locate, (*path, index)) for index, item in enumerate(value))
        return Array(items, locate(path))
    return Leaf(value, locate(path))


def table_from(values: Mapping[str, Any], origin: Origin) -> Table:
    """A table of plain data with a single origin."""
    tree = grow(values, lambda _: origin)
    assert isinstance(tree, Table)
    return tree


def plain(node: Node) -> Any:
    """The tree without its origins: dicts, lists and values."""
    if isinstance(node, Table):
        return {name: plain(entry) for name, entry in node.entries.items()}
    if isinstance(node, Array):
        return [plain(item) for item in node.items]
    return node.value


def overlay(
    below: Table, above: Table, path: KeyPath = (), keep: Callable[[Table, Table, KeyPath], Table] | None = None
) -> Table:
    """Merge two tables: nested tables by name; lists and other values of ``above`` replace those of ``below``.

    ``keep`` gives the entries of a lower table that remain valid under the upper one.
    """
    below = keep(below, above, path) if keep else below
    entries: dict[str, Node] = dict(below.entries)
    for name, node in above.entries.items():
        old = entries.get(name)
        both = isinstance(old, Table) and isinstance(node, Table)
        entries[name] = overlay(old, node, (*path, name), keep) if both else node  # type: ignore[arg-type]
    return Table(entries, below.origin if below.entries else above.origin)


def child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Table):
        return node.entries.get(step) if isinstance(step, str) else None
    if isinstance(node, Array):
        return node.items[step] if isinstance(step, int) and step < len(node.items) else None
    return None


def nearest_origin(node: Node, path: KeyPath) -> Origin:
    """The origin of the value at a path, or of the innermost table around it."""
    for step in path:
        below = child(node, step)
        if below is None:
            break
        node = below
    return node.origin


def leaves(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
    """Every value below a node that is not a table, with its path. A list is one value."""
    if isinstance(node, Table):
        for name, entry in node.entries.items():
            yield from leaves(entry, (*path, name))
    else:
        yield path, node


def dotted(path: KeyPath) -> str:
    """A path as written by users: ``generation.adapter.depth``, ``layout.roles[1]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _BARE.fullmatch(step) else json.dumps(step))
    return text
