"""The fixed words of the grammar, and the kind of component at each path."""

from __future__ import annotations

from typing import Any

from ..components.kinds import KINDS, PATHWAY_PARTS, SINGLE_PARTS, Mode
from .positions import KeyPath

GRAMMAR = 1
"""The grammar's version, as in ``recipe = 1``."""

SECTIONS = tuple(kind.name for kind in KINDS.values() if kind.place == "section")
"""Kinds whose components are named in tables of their own: ``[source.NAME]``."""

PATHWAY_MODES: dict[str, Mode] = {"understanding": "look", "generation": "draw"}
"""The two pathways whose mode is implied by the name."""

HEAD_KEYS = ("recipe", "name", "description", "extends")
PROVIDERS = "providers"
"""The table of a resolved recipe with the distributions of its components: ``"encoder siglip@1" = "…"``."""

TABLES = (*SINGLE_PARTS, *PATHWAY_MODES, "start", "stage", "training", *SECTIONS)
RESERVED = {*HEAD_KEYS, *TABLES, PROVIDERS} - PATHWAY_MODES.keys()

WHOLE = "."
"""The name of all parts together in ``[start]``."""

PATHWAY_KEYS = ("mode", "share", "transform", "route")
"""The keys in the table of a pathway that are not parts."""

PART_KEYS = ("use", "preset")
"""The keys in the table of a part that are not settings of its component."""


def kind_at(path: KeyPath) -> str | None:
    """The kind of component whose table is at a path; None where there is none."""
    match path:
        case (str(name),) if name in SINGLE_PARTS:
            return name
        case (str(section), str()) if section in SECTIONS:
            return section
        case ("stage", str(), "objective"):
            return "objective"
        case (str(pathway), str(part)) if pathway not in RESERVED and part in PATHWAY_PARTS:
            return part
    return None


def is_pathway(path: KeyPath) -> bool:
    return len(path) == 1 and path[0] not in RESERVED


def looks(path: KeyPath, mode: Any) -> bool:
    """Whether the pathway at a path looks at pictures, given the mode in its table, if any."""
    return (mode or PATHWAY_MODES.get(str(path[0]))) == "look"
