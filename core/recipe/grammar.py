"""The fixed words of the grammar, and which kind of component stands at which path."""

from __future__ import annotations

from typing import Any, Literal

from .positions import Path

GRAMMAR = 1
"""The grammar's version, as in ``recipe = 1``."""

Mode = Literal["look", "draw"]

SINGLE_PARTS = ("backbone", "text", "layout")
"""Parts that stand at the top of a recipe. Each is of the kind of its name, as are the parts of a pathway."""

PATHWAY_PARTS = ("tiling", "encoder", "tokenizer", "embedding", "adapter", "head", "sampler")
"""The parts of a pathway, in the order of the data."""

PATHWAY_MODES: dict[str, Mode] = {"understanding": "look", "generation": "draw"}
"""The two pathways whose mode goes without saying."""

HEAD_KEYS = ("recipe", "name", "description", "extends")
PROVIDERS = "providers"
"""The table of a resolved recipe that says which distributions brought its components: ``"encoder siglip@1" = "…"``."""

TABLES = (*SINGLE_PARTS, *PATHWAY_MODES, "start", "source", "stage", "training", "sink")
RESERVED = {*HEAD_KEYS, *SINGLE_PARTS, "start", "source", "stage", "training", "sink", PROVIDERS}

WHOLE = "."
"""In ``[start]``: all parts."""

PART_KEYS = ("use", "preset")
"""What stands in the table of a part beside the settings of its component."""

DEFAULT_USES = {"text": "bpe", "layout": "janus", "embedding": "table", "sampler": "autoregressive"}
"""The component of a kind where a recipe names none."""


def kind_at(path: Path) -> str | None:
    """The kind of component whose table stands at a path, None where it is no part."""
    match path:
        case (str(name),) if name in SINGLE_PARTS:
            return name
        case ("source" | "sink" as section, str()):
            return section
        case ("stage", str(), "objective"):
            return "objective"
        case (str(pathway), str(part)) if pathway not in RESERVED and part in PATHWAY_PARTS:
            return part
    return None


def is_pathway(path: Path) -> bool:
    return len(path) == 1 and path[0] not in RESERVED


def looks(path: Path, mode: Any) -> bool:
    """Whether the pathway at a path reads pictures, given what its table says its mode is."""
    return (mode or PATHWAY_MODES.get(str(path[0]))) == "look"
