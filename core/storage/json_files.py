"""JSON files that were perhaps damaged or written by someone else: one reader with bounds, and the writer.

What is read is a regular file (a named pipe would block), is bounded in size and depth, and holds no number beyond
floats. ``structured`` checks the types of what was read.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import cattrs

from ..errors import Origin, Problem, StorageError
from .atomic import Writer, explained, text_writer, write_files

MAX_BYTES = 128 << 20
"""Size of a JSON file that is read."""

MAX_LINE_BYTES = 4 << 20
"""Size of a line of a file with one JSON object per line."""

MAX_DEPTH = 64
"""Levels of nesting that are read."""

_FLOAT_DIGITS = 400
"""Digits of a whole number from which it is beyond floats, and not converted at all."""

T = TypeVar("T")


def read_json(path: Path, *, missing_ok: bool = False, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The object in a JSON file in UTF-8, with or without a byte order mark; empty where it is missing and may be.

    Raises ``StorageError`` where it is missing, too large, damaged, no regular file, or not an object.
    """
    try:
        value = parse_json(read_bounded(path, max_bytes))
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise _refused(path, "is missing") from None
    except OSError as error:
        with explained("read", path):
            raise
        raise AssertionError from error  # explained() always raises
    except ValueError as error:
        raise _refused(path, f"is damaged or not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _refused(path, f"is damaged: expected a JSON object, got {type(value).__name__}")
    return value


def read_bounded(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file. Raises ``OSError``, and ``StorageError`` where it is too large or no regular file."""
    # Without O_NONBLOCK, opening a named pipe waits for a writer.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)), "rb") as file:  # noqa: PTH123
        _check_regular(path, file.fileno())
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _refused(path, f"has more than {max_bytes >> 20} MiB, which is the limit")
    return data


def parse_json(text: str | bytes, *, constants: bool = True, unique_keys: bool = False) -> Any:
    """The value of a JSON text. Whole numbers of more than 64 bits become floats.

    Args:
        constants: read ``NaN`` and ``Infinity``, which Python writes for such floats.
        unique_keys: refuse objects with a repeated key, of which the last value would be read otherwise.

    Raises:
        ValueError: it is not JSON in UTF-8, is nested too deeply, or holds a number beyond floats.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        value = json.loads(
            text,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=None if constants else _refuse,
            object_pairs_hook=_unique if unique_keys else None,
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    layer = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in layer if isinstance(item, dict | list)]
        if not containers:
            return value
        layer = [item for one in containers for item in (one.values() if isinstance(one, dict) else one)]
    raise ValueError(_TOO_DEEP)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key '{repeated[:80]}' more than once")
    return value


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield the lines of a file with one JSON object per line, each with its object, or None where it is damaged.

    An incomplete last line is left out, as a killed process leaves it. Raises ``StorageError``.
    """
    with (
        explained("read", path),
        open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)), "rb") as file,  # noqa: PTH123
    ):
        _check_regular(path, file.fileno())
        while line := file.readline(MAX_LINE_BYTES):
            long = not line.endswith(b"\n")
            while long and (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            ended = not long or bool(rest)
            value = None if long and ended else _object(line)
            if ended or value is not None:
                yield line.decode("utf-8", "replace").rstrip("\r\n"), value


def structured(value: Any, kind: type[T]) -> T:
    """The value as a type: an attrs class, ``dict[str, int]``, …; nothing is converted from another type.

    Raises ``ValueError`` in a few words.
    """
    try:
        result: T = _STRICT.structure(value, kind)
    except Exception as error:  # cattrs raises errors of many types
        raise ValueError("; ".join(cattrs.transform_error(error))) from error
    return result


def write_json(path: Path, value: Any) -> None:
    """Replace the file by the value as indented JSON."""
    write_files(path.parent, {path.name: json_writer(value)})


def json_writer(value: Any) -> Writer:
    """Writes a value as indented JSON."""
    return text_writer(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


_TOO_DEEP = f"it is nested too deeply, more than {MAX_DEPTH} levels"


def _whole(text: str) -> int | float:
    if len(text) <= 20 and -(1 << 63) <= int(text) < 1 << 63:
        return int(text)
    return _finite(text)


def _finite(text: str) -> float:
    number = float(text) if len(text) <= _FLOAT_DIGITS or not text.lstrip("-").isdecimal() else float("inf")
    if abs(number) == float("inf"):
        raise ValueError(f"the number {text[:20]}{'…' if len(text) > 20 else ''} is beyond the range of floats")
    return number


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a valid number")


def _check_regular(path: Path, descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise _refused(path, "is not a regular file")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _strict() -> cattrs.Converter:
    converter = cattrs.Converter()

    def exact(*kinds: type) -> Any:
        def check(value: Any, _: Any) -> Any:
            if type(value) not in kinds:
                raise ValueError(f"must be {' or '.join(kind.__name__ for kind in kinds)}, not {type(value).__name__}")
            return value

        return check

    def mapping(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must be an object, not {type(value).__name__}")
        return {name: converter.structure(item, kind.__args__[1]) for name, item in value.items()}

    def sequence(value: Any, kind: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {type(value).__name__}")
        return kind.__origin__(converter.structure(item, kind.__args__[0]) for item in value)

    converter.register_structure_hook(int, exact(int))
    converter.register_structure_hook(float, exact(float, int))
    converter.register_structure_hook(str, exact(str))
    converter.register_structure_hook(bool, exact(bool))
    converter.register_structure_hook_func(lambda kind: getattr(kind, "__origin__", None) in (dict, Mapping), mapping)
    converter.register_structure_hook_func(_is_sequence, sequence)
    return converter


def _is_sequence(kind: Any) -> bool:
    """Whether a type is a list, or a tuple of any length with items of one type."""
    origin = getattr(kind, "__origin__", None)
    return origin is list or (origin is tuple and len(kind.__args__) == 2 and kind.__args__[1] is ...)


_STRICT = _strict()


def _refused(path: Path, message: str) -> StorageError:
    return StorageError(Problem(message, origin=Origin(str(path))))
