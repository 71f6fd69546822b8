"""Files of benchmarks: VLMEvalKit's tables, JSON with one object per line, and JSON. Every cell of a table is a text.

Whatever is wrong in a file is a ``UsageError`` with its line, what is wrong, and what would be right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from attrs import field, frozen
from janiform import JaniformError, Origin, Problem, UsageError, nearest, parse_json, read_bounded

from .pictures import StoredPicture

MAX_BYTES = 512 << 20
"""Size of a JSON file that is read; tables, which hold pictures, may be larger."""

_CHUNK = 1 << 22

Key = TypeVar("Key")

Fields = Mapping[str, type | tuple[type, ...]]
"""Types of the keys that every object of a file must have."""


@frozen
class Record:
    """A row of a table, or a JSON object: its values by column or key, and the line where it begins.

    ``pictures``: those of the column ``image`` of a table; there are several in some questions of MMMU.
    """

    values: Mapping[str, Any]
    origin: Origin
    pictures: tuple[StoredPicture, ...] = field(default=(), repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = "") -> Any:
        """The value of a column or key, where the file has it."""
        return self.values.get(name, default)

    def one_of(self, name: str, choices: Iterable[str]) -> str:
        """The value, which must be one of the choices; raises ``UsageError`` otherwise."""
        choices = list(choices)
        value: str = self.values[name]
        if value not in choices:
            listed = " or ".join(map(repr, choices)) if len(choices) <= 6 else "one of " + ", ".join(choices)
            self.fail(f"'{name}' is {shown(value)}, expected {listed}")
        return value

    def fail(self, message: str, hint: str = "") -> NoReturn:
        """Raise ``UsageError`` for this record."""
        raise UsageError(Problem(message, origin=self.origin, hint=hint))


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | dict | list) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def read_json_lines(path: Path, fields: Fields) -> list[Record]:
    """The objects of a file with one JSON object per line; blank lines are allowed.

    ``fields``: the types of the keys that every object must have; others are kept as they are. Where text and numbers
    are both allowed, as in ids, values become texts.
    """
    lines = _bytes(path).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            origin = Origin(str(path), number)
            records.append(Record(_checked(_parsed(line, origin), fields, origin), origin))
    if not records:
        raise UsageError(f"'{path}' holds no lines")
    return records


def read_json_objects(path: Path, fields: Fields) -> dict[str, Record]:
    """The objects that a JSON object holds, by their keys: ``{"201": {"question": …}}``; see ``read_json_lines``."""
    value = read_json_value(path)
    if not isinstance(value, dict) or not value:
        raise UsageError(f"'{path}' is not a JSON object with one object per question: expected {{id: {{…}}}}")
    records = {}
    for key, item in value.items():
        origin = Origin(f"{path}, '{key}'")
        records[key] = Record(_checked(item, fields, origin), origin)
    return records


def read_json_list(path: Path, value: Any, fields: Fields) -> list[Record]:
    """The objects of a list in a JSON file that was read; see ``read_json_lines``."""
    if not isinstance(value, list) or not value:
        raise UsageError(f"'{path}': expected a list of JSON objects, got {shown(value)}")
    records = []
    for number, item in enumerate(value, start=1):
        origin = Origin(f"{path}, object {number}")
        records.append(Record(_checked(item, fields, origin), origin))
    return records


def read_json_value(path: Path) -> Any:
    """The value in a JSON file, in which no object has a key twice."""
    return _parsed(_bytes(path), Origin(str(path)))


def unique(records: Sequence[Record], key: Callable[[Record], Key], what: str) -> dict[Key, Record]:
    """The records by their keys. Raises ``UsageError`` for a key that repeats; ``what`` names it."""
    by_key: dict[Key, Record] = {}
    for record in records:
        name = key(record)
        if name in by_key:
            record.fail(f"the {what} {shown(name)} repeats: it is also at {by_key[name].origin}")
        by_key[name] = record
    return by_key


def described(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Names, sizes and SHA-256 digests of files, which a benchmark records with its scores."""
    return [{"file": path.name, "bytes": path.stat().st_size, "sha256": _digest(path)} for path in paths]


def described_folder(folder: Path, paths: Iterable[Path]) -> dict[str, Any]:
    """The name of a folder of many small files, their number and size, and one digest of their names and contents."""
    files = described(sorted(paths))
    lines = "".join(f"{file['file']} {file['sha256']}\n" for file in files)
    return {
        "folder": folder.name,
        "files": len(files),
        "bytes": sum(file["bytes"] for file in files),
        "sha256": hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest(),
    }


def missing_fields(names: Iterable[str], required: Iterable[str], what: str) -> str:
    """What a table or an object lacks, as a sentence without its subject; empty where it lacks nothing."""
    present = list(names)
    missing = [name for name in required if name not in present]
    if not missing:
        return ""
    hint = nearest(missing[0], present)
    hint = f" ({hint})" if hint.startswith("did") else ""
    listed = ", ".join(present[:20])
    return f"lacks the {what}{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has {listed}{hint}"


def _checked(value: Any, fields: Fields, origin: Origin) -> dict[str, Any]:
    """The object with its fields of the right types. Raises ``UsageError``."""
    if not isinstance(value, dict):
        raise UsageError(Problem(f"expected a JSON object, got {shown(value)}", origin=origin))
    if fault := missing_fields(value, fields, "key"):
        raise UsageError(Problem(f"the object {fault}", origin=origin))
    result = dict(value)
    for name, kinds in fields.items():
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if type(value[name]) not in kinds:
            expected = " or ".join(_KIND_NAMES.get(kind, kind.__name__) for kind in kinds)
            raise UsageError(Problem(f"'{name}' is {shown(value[name])}, expected {expected}", origin=origin))
        if str in kinds and int in kinds:
            result[name] = str(value[name])
    return result


_KIND_NAMES = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "an object"}


def _parsed(text: bytes, origin: Origin) -> Any:
    try:
        return parse_json(text, unique_keys=True)
    except ValueError as error:
        raise UsageError(Problem(f"this is not JSON: {error}", origin=origin)) from None


def _bytes(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_BYTES)
    except JaniformError as error:
        raise UsageError(error.problems) from None
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file.read):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(_CHUNK):
        yield chunk
