"""JSON in which a key may stand once per object: Python's parser would keep the last of several values silently."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 100
"""Levels of lists and objects, so that values can be compared and walked through without exhausting the stack."""


def parse(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises ``ValueError``, also for a repeated key and more than ``MAX_DEPTH`` levels, and ``RecursionError``.
    """
    value = json.loads(text, object_pairs_hook=_object)
    brackets = text.count(b"[") + text.count(b"{") if isinstance(text, bytes) else text.count("[") + text.count("{")
    if brackets > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return value


def _depth(value: Any) -> int:
    """The levels of a value; at most one more than ``MAX_DEPTH``."""
    level, depth = [value], 0
    while depth <= MAX_DEPTH:
        level = [item for item in level if isinstance(item, list | dict)]
        if not level:
            break
        level = [
            item for container in level for item in (container.values() if isinstance(container, dict) else container)
        ]
        depth += 1
    return depth


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key '{repeated[:80]}' more than once")
    return value
