"""Settings that were renamed: a recipe may still use the old name, and a note says what the setting is now called.

A config class names the old setting in the metadata of its field: ``{"help": "…", "renamed_from": "wording"}``.
"""

from __future__ import annotations

from typing import Any

import attrs

from .tree import Node, Table

RENAMED_FROM = "renamed_from"
"""Key in the metadata of a config's field: the former name of the setting."""


@attrs.frozen
class Renamed:
    """Settings by their current names, notes on the old names, and the old names that clash with the current ones."""

    settings: Table
    notes: tuple[str, ...] = ()
    clashes: tuple[tuple[str, str], ...] = ()


def with_current_names(config: type[Any], settings: Table) -> Renamed:
    """The settings of a component under their current names.

    One file that sets both names of a setting is a clash. Of two files, the one that extends the other prevails, whose
    entries come later.
    """
    former = {
        attribute.metadata[RENAMED_FROM]: attribute.alias or attribute.name
        for attribute in attrs.fields(config)
        if RENAMED_FROM in attribute.metadata
    }
    entries: dict[str, Node] = {}
    notes: list[str] = []
    clashes: list[tuple[str, str]] = []
    for name, node in settings.entries.items():
        current = former.get(name, name)
        if current in entries and entries[current].origin.source == node.origin.source:
            clashes.append((name if current != name else _former(former, name), current))
        if current != name:
            notes.append(f"the setting '{name}' is now called '{current}' ({node.origin})")
        entries[current] = node
    return Renamed(Table(entries, settings.origin), tuple(notes), tuple(clashes))


def _former(former: dict[str, str], current: str) -> str:
    return next(old for old, name in former.items() if name == current)
