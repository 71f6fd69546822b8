"""Changes to texts, JSON values and bytes, all drawn from one random generator."""

from __future__ import annotations

import copy
import json
import math
from random import Random
from typing import Any

JSON_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 255, 10**6, 2**31, 2**63, 10**25, -(2**63), 0.5, -0.5, 1e300, float("inf"),
    float("nan"), "", " ", "x", "x" * 5000, "../..", "/dev/zero", "float8_e4m3fn", "\ud83d", "\x1b[2J", "\0", "é",
    [], [[]], [1, 2], {}, {"a": 1}, [None], {"": {}}, [0.5, 0.5, 0.5], "1", "none", "silu",
)  # fmt: skip

TOML_VALUES = (
    "0", "1", "-1", "2", "3", "7", "1000", "1_000_000", "9223372036854775807", "1e300", "1e-300", "-0.5", "inf", "-inf",
    "nan", "true", "false", '""', "''", '"x"', '"' + "y" * 500 + '"', '"\\u0000"', '"\\u001b[2J"', "[]", "[[[]]]", "{}",
    "[inf, 0.5, 0.5]", "[1e300, 1e300, 1e300]", "[0.5]", "[1, 2]", "[0, 0]", '["a"]', "1979-05-27", "0xff", "9" * 400,
    '{ use = "mlp" }', '{ use = "siglip@1" }', '{ use = "nothing" }', '{ share = "generation" }',
    '{ share = "backbone" }', '{ use = "mlp", layers = 3 }', "[" * 150 + "]" * 150,
)  # fmt: skip

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Values at which lengths and sizes in files overflow."""


def lines(text: str, chance: Random) -> str:
    """A TOML text after one to three changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        rows = text.split("\n")
        at = chance.randrange(len(rows))
        settings = [number for number, row in enumerate(rows) if "=" in row]
        match chance.randrange(10):
            case 0:
                del rows[at]
            case 1:
                rows.insert(at, chance.choice(rows))
            case 2:
                other = chance.randrange(len(rows))
                rows[at], rows[other] = rows[other], rows[at]
            case 3 | 4 | 5 | 6 if settings:
                at = chance.choice(settings)
                key, _, old = rows[at].partition("=")
                rows[at] = f"{key}= {_similar(old, chance) or chance.choice(TOML_VALUES)}"
            case 7 if settings:
                key, _, value = rows[chance.choice(settings)].partition("=")
                rows.insert(at, f"{key.strip()} = {value.strip()}")
            case 8 if settings:
                at = chance.choice(settings)
                value = rows[chance.choice(settings)].partition("=")[2]
                rows[at] = rows[at].partition("=")[0] + "=" + value
            case _:
                place = chance.randrange(len(rows[at]) + 1)
                character = chance.choice("{}[]\"'=,.#\\ 0aé\0\ufeff\x1b")
                rows[at] = rows[at][:place] + character + rows[at][place + chance.randrange(3) :]
        text = "\n".join(rows)
    return text


def _similar(text: str, chance: Random) -> str:
    """Half of the time another value of a setting's type, where it is a number or a truth value; else empty."""
    text = text.partition("#")[0].strip()
    if chance.random() < 0.5:
        return ""
    if text in ("true", "false"):
        return "false" if text == "true" else "true"
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    changed = number * chance.choice((0, 0.5, 1, 1, 2, 3, 1000, -1)) + chance.choice((0, 0, 1, -1, 8))
    return repr(changed if "." in text or "e" in text else int(changed))


def value(tree: Any, chance: Random) -> Any:
    """A JSON value after one to three changes anywhere in it."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        holders = [holder for holder in _holders(tree) if holder]
        if not holders:
            return chance.choice(JSON_VALUES)
        holder = chance.choice(holders)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        match chance.randrange(8):
            case 0:
                del holder[key]
            case 1:
                other = chance.choice(keys)
                holder[key], holder[other] = holder[other], holder[key]
            case 2:
                nested: Any = holder[key]
                for _ in range(chance.choice((1, 3, 200))):
                    nested = [nested]
                holder[key] = nested
            case 3 if isinstance(holder, dict):
                holder[chance.choice((f"{key}x", "", "__proto__", str(key).upper()))] = holder.pop(key)
            case 4 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = chance.choice((-holder[key], holder[key] * 2, holder[key] + 1, holder[key] * 10**6, 0.5))
            case _:
                holder[key] = chance.choice(JSON_VALUES)
    return tree


def json_text(tree: Any, chance: Random) -> bytes:
    """JSON of a changed value, sometimes in another encoding or damaged."""
    text = json.dumps(value(tree, chance), ensure_ascii=chance.random() < 0.7)
    encoded = text.encode("utf-8", "surrogatepass")
    match chance.randrange(12):
        case 0:
            return b"\xef\xbb\xbf" + encoded
        case 1:
            return text.encode("utf-16", "surrogatepass")
        case 2:
            return damaged(encoded, chance)
        case 3:
            return encoded.replace(b"{", b'{"a": ' + b"[" * chance.choice((5, 100_000)) + b"0, ", 1)
        case _:
            return encoded


def damaged(data: bytes, chance: Random) -> bytes:
    """Bytes after one to four changes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0:
                del changed[at:]
            case 1:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                changed[at : at + 4] = chance.choice(NUMBERS).to_bytes(4, chance.choice(("little", "big")))
            case 3:
                del changed[at : at + chance.choice((1, 8, 100))]
            case 4:
                changed[at:at] = changed[at : at + chance.choice((1, 8, 100))]
            case 5:
                changed[at:at] = chance.randbytes(chance.choice((1, 8, 100)))
            case 6 if len(changed) > 64:
                at = chance.randrange(64)  # headers decide the most
                changed[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(changed)


def _holders(tree: Any) -> list[Any]:
    """All lists and objects in a JSON value."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            found.append(node)
            waiting += node.values() if isinstance(node, dict) else node
    return found
