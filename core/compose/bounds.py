"""Bounds of the numbers in a recipe's parts and objectives, checked before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ..ports import Port
from ..recipe import Use
from .diagnostics import Diagnostics

if TYPE_CHECKING:
    from ..recipe import Recipe

MAX_REPEATS = 1024
"""Largest number of layers, blocks, heads, levels or experts of a part: more than known models have."""

MAX_MEMBERS = 4096
"""Largest number of members of a list among the settings of a part."""

MAX_WHOLE = 2**31 - 1
"""Largest whole number among the settings of a part; a vocabulary of that size is far beyond any."""

MAX_FLOAT = 3.4e38
"""Largest number that float32 holds."""

_REPEATED = ("layer", "layers", "block", "blocks", "depth", "depths", "heads", "levels", "experts", "books", "stages")
"""Last words of the names of settings that say how often something is repeated."""


def check_bounds(recipe: Recipe, diagnostics: Diagnostics) -> None:
    """Add a problem for every number beyond its bound, whoever wrote the part."""
    uses = {path: use for path, use in recipe.parts() if isinstance(use, Use)}
    uses |= {f"stage.{name}.objective": stage.objective for name, stage in recipe.stages.items()}
    for path, use in uses.items():
        if not attrs.has(type(use.config)):
            continue
        for field in attrs.fields(type(use.config)):
            if field.init:
                name = field.alias or field.name
                for fault in _faults(name, getattr(use.config, field.name, None)):
                    diagnostics.add(f"{path}.{name}", fault)


def repeats(port: Port) -> str:
    """What is beyond ``MAX_REPEATS`` in a port, as the end of a sentence; empty where nothing is."""
    for name in ("layers", "kv_heads", "depth"):
        count = getattr(port, name, 1)
        if isinstance(count, int) and count > MAX_REPEATS:
            return f"whose {name} of {count:,} is above the bound of {MAX_REPEATS:,}"
    return ""


def _faults(name: str, value: Any) -> Iterator[str]:
    """The first fault of a value, or of what it holds."""
    if isinstance(value, bool | str | bytes) or value is None:
        return
    if isinstance(value, int):
        repeated = name.lower().rpartition("_")[2] in _REPEATED
        bound = MAX_REPEATS if repeated else MAX_WHOLE
        if value > bound and name != "seed":
            yield f"must be at most {bound:,}, not {value if value < 10**30 else 'a number of 30 digits or more'}"
    elif isinstance(value, float):
        if not math.isfinite(value) or abs(value) > MAX_FLOAT:
            yield f"must be a finite number from -{MAX_FLOAT:g} to {MAX_FLOAT:g}, not {value:g}"
    elif isinstance(value, tuple | list | set | frozenset | Mapping):
        if len(value) > MAX_MEMBERS:
            yield f"must have at most {MAX_MEMBERS:,} members, not {len(value):,}"
            return
        for member in value.values() if isinstance(value, Mapping) else value:
            if faults := list(_faults(name, member)):
                yield faults[0]
                return
