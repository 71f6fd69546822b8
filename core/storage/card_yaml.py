"""The YAML header of a model card: nested tables and lists in block style, texts quoted as in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def front_matter(header: Mapping[str, Any]) -> str:
    """The header between its two lines of hyphens. Empty texts and lists are left out."""
    kept = {name: value for name, value in header.items() if value not in ("", [], {})}
    return "\n".join(["---", *_lines(kept), "---", ""])


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            if isinstance(one, Mapping | list):
                yield f"{name}:"
                yield from (f"  {line}" for line in _lines(one))
            else:
                yield f"{name}: {_scalar(one)}"
    else:
        for one in value:
            first, *rest = _lines(one) if isinstance(one, Mapping | list) else (_scalar(one),)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)


def _scalar(value: Any) -> str:
    """A number, or a text in quotes: JSON's escapes are YAML's as well, except for pairs of surrogates."""
    if isinstance(value, float) and "e" in (text := repr(value)) and "." not in text:
        return text.replace("e", ".0e")  # without a point, YAML reads a text
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)
