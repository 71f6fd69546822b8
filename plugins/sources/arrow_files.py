"""Records in Parquet files, and in Arrow files as `datasets` saves them; both are read by pyarrow."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from janiform import Problem, UsageError, parse_json

PARQUET = (b"PAR1", b"PARE")
ARROW = (b"ARROW1", b"\xff\xff\xff\xff")
"""First bytes of files."""

MAX_GROUP_BYTES = 1 << 30
"""The largest row group of a Parquet file: a record is read with all of its group."""

_SPLIT = re.compile(r"(.+?)-\d+-of-\d+")
_NAMED_SPLIT = re.compile(r"(train|test|validation|valid|val|dev|eval)(?![^\W\d_]).*", re.IGNORECASE)


class ParquetFile:
    """The rows of a Parquet file. Raises ``UsageError`` for a file that is not valid, or has too large row groups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _PerProcess(self._open)
        with _errors_of(path, "Parquet"):
            groups = self._file.get().metadata
            sizes = [groups.row_group(number) for number in range(groups.num_row_groups)]
            names = self._file.get().schema_arrow.names
        self._ends = np.cumsum([size.num_rows for size in sizes])
        self._group: tuple[int, Any] = (-1, None)
        _check_columns(names, path, len(self))
        largest = max(size.total_byte_size for size in sizes)
        if largest > MAX_GROUP_BYTES:
            message = f"'{path}' has a row group of {largest / 2**20:,.0f} MiB, which each of its records would read"
            raise UsageError(Problem(message, hint=f"write row groups below {MAX_GROUP_BYTES >> 20} MiB"))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def location(self, row: int) -> str:
        """The file and row of a record."""
        return f"{self.path}:row {row + 1}"

    def read(self, row: int) -> Any:
        """The record in a row."""
        group = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        if self._group[0] != group:
            with _damage(self.path):
                self._group = (group, self._file.get().read_row_group(group, use_threads=False))
        return _record(self._group[1].slice(row - start, 1), self.path)

    def _open(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(self.path, memory_map=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_group": (-1, None)}


class ArrowFile:
    """The rows of an Arrow file, or of an Arrow stream as `datasets` saves. Raises ``UsageError`` for other files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._batches = _PerProcess(self._open)
        with _errors_of(path, "Arrow"):
            batches = self._batches.get()
            self._ends = np.cumsum([len(batch) for batch in batches])
        _check_columns(batches[0].schema.names if batches else [], path, len(self))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def location(self, row: int) -> str:
        """The file and row of a record."""
        return f"{self.path}:row {row + 1}"

    def read(self, row: int) -> Any:
        """The record in a row."""
        which = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[which - 1]) if which else 0
        return _record(self._batches.get()[which].slice(row - start, 1), self.path)

    def _open(self) -> Any:
        import pyarrow

        source = pyarrow.memory_map(str(self.path))
        if self.path.open("rb").read(len(ARROW[0])) == ARROW[0]:
            file = pyarrow.ipc.open_file(source)
            return [file.get_batch(number) for number in range(file.num_record_batches)]
        return list(pyarrow.ipc.open_stream(source))


def dataset_files(folder: Path) -> list[Path]:
    """The files of a data set in a folder: one that `datasets` saved, or Parquet files of one split; else none.

    Raises ``UsageError`` for several splits, of which it names the patterns.
    """
    if (file := folder / "dataset_dict.json").is_file():
        splits = _described(file).get("splits")
        names = [name for name in splits if isinstance(name, str)] if isinstance(splits, list) else []
        raise _several(folder, [str(folder / name) for name in names])
    if (file := folder / "state.json").is_file():
        state = _described(file)
        if state.get("_indices_data_files"):
            raise UsageError(f"'{folder}' has a selection of rows apart from its data; save it with flatten_indices()")
        listed = state.get("_data_files")
        entries = listed if isinstance(listed, list) else []
        names = [str(entry.get("filename")) for entry in entries if isinstance(entry, dict)]
        if not names or not all(Path(name).name == name and (folder / name).is_file() for name in names):
            raise UsageError(f"'{file}' does not list the files of the data set")
        return [folder / name for name in names]
    files = sorted(path for path in folder.rglob("*.parquet") if path.is_file())
    splits = sorted({_split_of(path) for path in files})
    if len(splits) > 1:
        raise _several(folder, [f"{pattern}*.parquet" for pattern in splits])
    return files


def _split_of(path: Path) -> str:
    """The beginning of the paths of a split: ``data/train-`` of ``data/train-00000-of-00002.parquet``.

    It is ``data/test`` of ``data/test.parquet``, and ``data/`` of files that are not named for a split.
    """
    if match := _SPLIT.fullmatch(path.stem):
        return f"{path.parent}/{match[1]}-"
    named = _NAMED_SPLIT.fullmatch(path.stem)
    return f"{path.parent}/{named[1]}" if named else f"{path.parent}/"


def _several(folder: Path, patterns: list[str]) -> UsageError:
    shown = ", ".join(f"'{pattern}'" for pattern in patterns[:10]) + (", …" if len(patterns) > 10 else "")
    return UsageError(Problem(f"'{folder}' holds several splits", hint=f"name one or more of {shown}"))


def _described(file: Path) -> dict[str, Any]:
    try:
        value = parse_json(file.read_bytes(), unique_keys=True)
    except OSError as error:
        raise UsageError(f"'{file}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{file}' is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError(f"'{file}' is not a JSON object")
    return value


class _PerProcess:
    """What a function opens, opened again in each process: threads of pyarrow do not survive a fork."""

    def __init__(self, opener: Callable[[], Any]) -> None:
        self._opener = opener
        self._opened: tuple[int, Any] | None = None

    def get(self) -> Any:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self._opener())
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {"_opener": self._opener, "_opened": None}


def _check_columns(names: list[str], path: Path, rows: int) -> None:
    if not rows:
        raise UsageError(f"'{path}' holds no records")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UsageError(f"'{path}' has several columns with the name '{repeated[:80]}'")


@contextmanager
def _errors_of(path: Path, format: str) -> Iterator[None]:
    """Turn errors of opening a file into ``UsageError``."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        hint = "pip install 'janiform[parquet]'"
        raise UsageError(
            Problem(f"'{path}' is in {format}'s format, and pyarrow is not installed", hint=hint)
        ) from None
    try:
        yield
    except Exception as error:  # pyarrow raises several types for damaged files
        raise UsageError(f"'{path}' is not a valid {format} file: {_reason(error)}") from None


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn errors of reading a record into ``OSError``."""
    try:
        yield
    except Exception as error:  # pyarrow raises several types for damaged files
        raise OSError(0, f"the file is damaged: {_reason(error)}", str(path)) from None


def _record(row: Any, path: Path) -> Any:
    with _damage(path):
        return row.to_pylist()[0]


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
