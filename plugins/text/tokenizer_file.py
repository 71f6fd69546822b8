"""Checks of a ``tokenizer.json`` before the library reads it, which some contents make allocate gigabytes."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from typing import Any

from janiform import parse_json

MAX_BYTES = 256 << 20
"""Size of a file."""

MAX_ID = 1 << 24
MAX_TEXT = 256
"""Characters of a text in a rule, and bytes that a character may become."""

MAX_GROWTH = 16
"""Factor by which the rules of one step may lengthen a text."""

MAX_PATTERN = 2000
MAX_REPEATS = 10_000
"""Product of the numbers of repeats in a regular expression, which the library unrolls."""

_RULES = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_REPEATS = re.compile(r"\{(\d*),?(\d*)\}")


def fault_of(data: bytes) -> str:
    """Return why the library must not read a file with these contents; empty where it may. Raises ``ValueError``."""
    content = parse_json(data)
    if not isinstance(content, dict):
        raise ValueError("it does not hold a JSON object")
    for part in _RULES:
        for rule in _rules(content.get(part)):
            if fault := _fault_of_rule(rule):
                return f"{part}: {fault}"
        growth = math.prod(_growth(rule) for rule in _rules(content.get(part)))
        if growth > MAX_GROWTH:
            return f"{part}: its rules may lengthen a text {growth:.3g} times; the limit is {MAX_GROWTH}"
    return _fault_of_ids(content)


def _rules(value: Any) -> Iterator[dict[str, Any]]:
    """The tables in a part of the file that have a type; the nesting of parsed JSON is bounded."""
    if isinstance(value, dict):
        if "type" in value:
            yield value
        for item in value.values():
            yield from _rules(item)
    elif isinstance(value, list):
        for item in value:
            yield from _rules(item)


def _fault_of_rule(rule: dict[str, Any]) -> str:
    kind = str(rule["type"])[:40]
    if kind == "Precompiled":
        return _fault_of_charsmap(rule.get("precompiled_charsmap"))
    for name, value in rule.items():
        if isinstance(value, str) and len(value) > MAX_TEXT:
            return f"{kind}: '{name}' has {len(value):,} characters; the limit is {MAX_TEXT}"
        if isinstance(value, int | float) and not -MAX_ID <= value <= MAX_ID:
            return f"{kind}: '{name}' is {value}; the limit is {MAX_ID}"
    pattern = rule.get("pattern")
    regex = pattern.get("Regex") if isinstance(pattern, dict) else None
    if isinstance(regex, str):
        if len(regex) > MAX_PATTERN:
            return f"{kind}: the pattern has {len(regex):,} characters; the limit is {MAX_PATTERN}"
        counts = [max(int(low or 0), int(high or 0), 1) for low, high in _REPEATS.findall(regex)]
        if math.prod(counts) > MAX_REPEATS:
            return f"{kind}: the pattern repeats up to {math.prod(counts)} times; the limit is {MAX_REPEATS}"
    return ""


def _growth(rule: dict[str, Any]) -> float:
    """The factor by which a replacement may lengthen a text."""
    content, pattern = rule.get("content"), rule.get("pattern")
    if rule["type"] != "Replace" or not isinstance(content, str) or not isinstance(pattern, dict):
        return 1
    literal = pattern.get("String")
    if isinstance(literal, str) and literal:
        return max(1.0, len(content) / len(literal))
    return 1 + len(content) if content and not _takes_a_character(pattern.get("Regex")) else max(1, len(content))


def _takes_a_character(regex: Any) -> bool:
    """Whether a regular expression certainly matches no empty text: it has no sign that makes a piece optional."""
    return isinstance(regex, str) and regex != "" and not set(regex) & set("*?|{(^$\\")


def _fault_of_charsmap(charsmap: Any) -> str:
    """The map begins with the size in bytes of a table of 4-byte units; the texts that follow end with NUL."""
    try:
        data = base64.b64decode(charsmap or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        return "Precompiled: 'precompiled_charsmap' is not base64"
    size = int.from_bytes(data[:4], "little")
    if size < 4 or size % 4 or size > len(data) - 4:
        return f"Precompiled: 'precompiled_charsmap' announces {size:,} bytes and has {max(len(data) - 4, 0):,}"
    longest = max(map(len, data[4 + size :].split(b"\0")))
    if longest > MAX_TEXT:
        return f"Precompiled: a character becomes {longest:,} bytes; the limit is {MAX_TEXT}"
    return ""


def _fault_of_ids(content: dict[str, Any]) -> str:
    model = content.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    ids = list(words.values()) if isinstance(words, dict) else []
    added = content.get("added_tokens")
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict):
            ids.append(token.get("id"))
            if len(str(token.get("content"))) > MAX_TEXT:
                return f"added_tokens: a token has more than {MAX_TEXT} characters"
    wrong = next((value for value in ids if isinstance(value, int | float) and not 0 <= value < MAX_ID), None)
    return "" if wrong is None else f"the id {wrong} is not from 0 to {MAX_ID - 1}"
