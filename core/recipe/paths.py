"""Paths that a recipe names: a relative one starts at the file that it is written in, or where an override was given.

They are made absolute when a recipe is read, so that the recipe that a run keeps in its own folder means the same
files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from ..errors import Origin
from .tree import Leaf, Table

PATH = "path"
"""In the metadata of a config's field: what is a text there is a path, or empty."""


def beside(text: str, origin: Origin) -> str:
    """A path, as it is from anywhere."""
    known = text.startswith("~") or Path(text).is_absolute()
    return text if origin.folder is None or known or not text.strip() else str((origin.folder / text).absolute())


def with_paths(config: type[Any], settings: Table) -> Table:
    """The settings of a component, those among them that are paths made absolute."""
    entries = dict(settings.entries)
    for attribute in attrs.fields(config):
        name = attribute.alias or attribute.name
        node = entries.get(name)
        if attribute.metadata.get(PATH) and isinstance(node, Leaf) and isinstance(node.value, str):
            entries[name] = Leaf(beside(node.value, node.origin), node.origin)
    return Table(entries, settings.origin)
