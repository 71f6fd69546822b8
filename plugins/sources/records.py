"""Records in files: indexed once, then read one at a time, so that memory holds positions only."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from janiform import Problem, SampleError, UsageError, nearest, parse_json

from .arrow_files import ARROW, PARQUET, ArrowFile, ParquetFile, dataset_files
from .paths import files_of, raise_all

MAX_RECORD_BYTES = 16 << 20
"""Size of a record; a tokenizer takes some 25 times as much memory for a text."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class RecordFile(Protocol):
    """A file of records."""

    path: Path

    def __len__(self) -> int: ...

    def location(self, row: int) -> str:
        """The file and the line or row of a record, for messages."""
        ...

    def read(self, row: int) -> Any:
        """The value of a record. Raises ``ValueError``, ``RecursionError`` and ``OSError``."""
        ...


class JsonFile:
    """A JSON list of objects, or one object per line. Raises ``UsageError`` with the line of what is neither."""

    def __init__(self, path: Path) -> None:
        self.path = path
        starts, stops, lines = np.array(_indexed(path), dtype=np.int64).T
        self._starts, self._stops, self._lines = starts.copy(), stops.copy(), lines.copy()

    def __len__(self) -> int:
        return len(self._starts)

    def location(self, row: int) -> str:
        """The file and line of a record."""
        return f"{self.path}:{self._lines[row]}"

    def read(self, row: int) -> Any:
        """The value of a record."""
        start, stop = int(self._starts[row]), int(self._stops[row])
        if stop - start > MAX_RECORD_BYTES:
            size, limit = (stop - start) >> 20, MAX_RECORD_BYTES >> 20
            raise SampleError(
                f"{self.location(row)}: has {size} MiB; the limit of a record is {limit} MiB", "huge record"
            )
        with self.path.open("rb") as stream:
            stream.seek(start)
            return parse_json(stream.read(stop - start), unique_keys=True)


class Records:
    """The records of several files in order: JSON, Parquet or Arrow.

    Raises:
        UsageError: files cannot be read, or have another format; JSON with the line.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files: list[RecordFile] = []
        problems: list[Problem] = []
        for path in files:
            try:
                self._files.append(_opened(path))
            except UsageError as error:
                problems += error.problems
            except OSError as error:
                problems.append(Problem(f"'{path}' cannot be read: {error.strerror}"))
        raise_all(problems)
        self._ends = np.cumsum([len(file) for file in self._files])

    @property
    def files(self) -> list[Path]:
        """The files in their order."""
        return [file.path for file in self._files]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, number: int) -> tuple[dict[str, Any], str]:
        """A record, and its location ``file:line``. Raises ``SampleError`` where it is not a JSON object."""
        which = int(np.searchsorted(self._ends, number, side="right"))
        file = self._files[which]
        row = number - (int(self._ends[which - 1]) if which else 0)
        location = file.location(row)
        try:
            record = file.read(row)
        except OSError as error:
            reason = error.strerror or str(error)[:200]
            raise SampleError(f"{location}: cannot be read: {reason}", "unreadable file") from None
        except (ValueError, RecursionError) as error:
            raise SampleError(f"{location}: is not JSON: {error}", "no JSON") from None
        if not isinstance(record, dict):
            raise SampleError(f"{location}: is not an object but {type(record).__name__}", "no JSON")
        return record, location


def record_files(patterns: Sequence[str]) -> list[Path]:
    """The files of patterns, where a folder stands for the files of its data set. Raises ``UsageError``."""
    return files_of(patterns, dataset_files)


def nearest_key(key: str, record: Mapping[str, Any]) -> str:
    """A hint with the most similar key of a record. A key may be as long as a record, and is shortened."""
    return nearest(key, (name[:80] for name in record))


def _opened(path: Path) -> RecordFile:
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(PARQUET) or path.suffix == ".parquet":
        return ParquetFile(path)
    return ArrowFile(path) if head.startswith(ARROW) or path.suffix == ".arrow" else JsonFile(path)


def _indexed(path: Path) -> list[tuple[int, int, int]]:
    """Start, stop and line of each record."""
    with path.open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise UsageError(f"'{path}' is empty") from None
        with data:
            head = data[:6]
            for magic, name in _COMPRESSED.items():
                if head.startswith(magic):
                    message = f"'{path}' is compressed with {name}"
                    raise UsageError(Problem(message, hint="decompress it: records are read in random order"))
            start = len(_BOM) if head.startswith(_BOM) else 0
            while start < len(data) and data[start : start + 1] in (b" ", b"\t", b"\r", b"\n"):
                start += 1
            is_list = data[start : start + 1] == b"["
            records = list(_in_list(data, start, path) if is_list else _in_lines(data, start, path))
    if not records:
        raise UsageError(f"'{path}' holds no records")
    return records


def _in_lines(data: mmap.mmap, start: int, path: Path) -> Iterator[tuple[int, int, int]]:
    line = data[:start].count(b"\n") + 1
    first = True
    while start < len(data):
        stop = data.find(b"\n", start)
        stop = len(data) if stop < 0 else stop
        huge = stop - start > MAX_RECORD_BYTES  # is not copied to be looked at, and refused when it is read
        if huge or data[start:stop].strip(_BLANK):
            if first and not huge and not _is_object(data[start:stop]):
                hint = "a file is a list of objects, [{…}, {…}], or has one object per line"
                raise UsageError(Problem(f"'{path}':{line} is not a JSON object", hint=hint))
            first = False
            yield start, stop, line
        start, line = stop + 1, line + 1


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except ValueError:
        return False


def _in_list(data: mmap.mmap, start: int, path: Path) -> Iterator[tuple[int, int, int]]:
    """The objects of a list, found by their braces; their contents are parsed when they are read."""
    depth, line, counted, gap = 0, 1, 0, start
    began = start
    for token in _TOKEN.finditer(data, start):
        sign, position = token.group(), token.start()
        if sign in (b"{", b"["):
            if depth == 1:
                line += data[counted:position].count(b"\n")
                counted = began = position
                between = data[gap:position].strip(_BLANK)
                if sign == b"[" or between not in (b"", b","):
                    raise UsageError(f"'{path}':{line}: the text before this is not a JSON object")
            depth += 1
            gap = token.end() if depth == 1 else gap
        elif sign in (b"}", b"]"):
            depth -= 1
            if depth == 1:
                yield began, token.end(), line
                gap = token.end()
            elif depth == 0:
                rest = data[token.end() :].strip(_BLANK)
                if data[gap:position].strip(_BLANK) or rest:
                    line += data[counted:position].count(b"\n")
                    raise UsageError(
                        f"'{path}':{line}: the list holds, or is followed by, something that is not a JSON object"
                    )
                return
        elif depth == 1:
            line += data[counted:position].count(b"\n")
            raise UsageError(f"'{path}':{line}: the list holds a text instead of an object")
    line += data[counted:].count(b"\n")
    raise UsageError(f"'{path}':{line}: the list does not end: the file is truncated, or a brace is missing")
