"""Values as TOML, for files, and shortened, for messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from math import isinf, isnan
from pathlib import PurePath
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 60


def toml_key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml_text(name)


def toml_text(text: str) -> str:
    """A basic string. JSON escapes everything that TOML requires except DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_value(value: Any) -> str:
    """A value on one line; tables become inline tables. Raises ``TypeError`` for values that TOML lacks."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "nan" if isnan(value) else ("-inf" if value < 0 else "inf") if isinf(value) else repr(value)
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, PurePath):
        return toml_text(str(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = [f"{toml_key(name)} = {toml_value(item)}" for name, item in value.items() if item is not None]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} is not a type of TOML")


def shown(value: Any) -> str:
    """A value for a message, shortened where it is long."""
    text = toml_value(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def got(value: Any) -> str:
    """An unexpected value for a message: the value itself, or its type where that says more."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        try:
            return f"the list {shown(value)}"
        except TypeError:
            return f"a {type(value).__name__} of {len(value)}"
    if value is None:
        return "nothing"
    try:
        return f"the string {shown(value)}" if isinstance(value, str) else shown(value)
    except TypeError:  # not a type of TOML: settings may come from Python
        return f"a value of type {type(value).__name__}"
