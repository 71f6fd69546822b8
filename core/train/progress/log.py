"""The log of a run: one JSON object per line in ``log.jsonl``.

Keys are added and do not change their meaning. Readers must ignore unknown keys; ``read_log`` also reads lines of
earlier versions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, get_type_hints

from attrs import asdict, field, frozen

from ...storage.atomic import explained, write_files, write_text
from ...storage.json_files import json_lines, structured


@frozen
class LogEntry:
    """One line: means over the steps since the last line.

    ``losses`` are per prediction, by name, before weights. ``data_wait`` is the fraction of the time spent waiting for
    batches. ``time`` is in seconds of training since the run began. ``skipped_steps`` changed nothing: the
    ``idle_steps`` among them had no gradient, since none of their samples reached a trained parameter; the loss or a
    gradient of the others was not finite. ``skipped_samples`` counts by kind the samples that could not be used, or
    not whole.

    Steps that are not finite do not count for losses, figures and the norm of gradients. Where there was no other step,
    ``losses`` and ``figures`` are empty, ``grad_norm`` is None, and ``predictions`` are 0.

    Where batches hold sequences: ``tokens`` are positions without padding, ``packing`` is their fraction of all
    positions, ``mfu`` the fraction of the devices' arithmetic that the model used; None elsewhere. ``memory``: peak
    bytes in use on a device so far, 0 where that is unknown.
    """

    stage: str
    step: int
    steps: int
    total: int
    losses: dict[str, float]
    figures: dict[str, float]
    learning_rate: float
    grad_norm: float | None
    samples_per_second: float
    data_wait: float
    skipped_steps: int
    time: float
    predictions: dict[str, int] = field(factory=dict)
    skipped_samples: dict[str, int] = field(factory=dict)
    tokens: int | None = None
    tokens_per_second: float | None = None
    packing: float | None = None
    mfu: float | None = None
    memory: int = 0
    idle_steps: int = 0


_EVERY_KEY = ("stage", "step", "steps", "total", "losses")
"""Keys that every version of the log has."""

_RENAMED = {"skipped": "skipped_steps", "passed_over": "skipped_samples"}
"""Keys of version 0.1 -> their names today."""


class Log:
    """Appends entries to a file as they come. A resumed run first drops the lines after the step it resumes from.

    ``damage`` is a sentence about the damaged lines of the file; empty where there were none.
    """

    def __init__(self, path: Path, total: int) -> None:
        self._path = path
        self.damage = ""
        if path.exists():
            _, self.damage = rewind(path, total)
        with explained("write", path):
            self._file = path.open("a", encoding="utf-8")

    def write(self, entry: LogEntry) -> None:
        with explained("write", self._path):
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log as dicts with today's keys, damaged lines and an incomplete last one left out."""
    return [entry for entry in read_entries(path) if entry is not None]


def read_entries(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the entries of a log, and None for each damaged line: no JSON, or a value of another type than the key has.

    Raises ``StorageError`` where the file cannot be read.
    """
    for _, entry in json_lines(path):
        yield None if entry is None else _checked(_renamed(entry))


def is_complete(entry: dict[str, Any]) -> bool:
    """Whether an entry has the keys of every version; readers ignore others, as they do incomplete lines."""
    return all(key in entry for key in _EVERY_KEY)


def rewind(path: Path, total: int) -> tuple[list[str], str]:
    """Keep only the lines of the first ``total`` steps of a run in a file, and return them.

    Damaged lines are dropped as well; the file as it was then stays beside it, and the second value is a sentence that
    tells so. An incomplete last line, as a killed process leaves it, is dropped. Raises ``StorageError``.
    """
    kept: list[str] = []
    damaged: list[int] = []
    for number, (line, entry) in enumerate(json_lines(path), start=1):
        if entry is None or type(entry.get("total")) is not int or _checked(_renamed(entry)) is None:
            damaged.append(number)
        elif entry["total"] <= total:
            kept.append(line)
    damage = ""
    if damaged:
        copy = _free_name(path)
        write_files(path.parent, {copy.name: lambda part: shutil.copyfile(path, part)})
        damage = f"{damage_of(path, damaged)}; the file as it was is kept as {copy.name}"
    write_text(path, "".join(line + "\n" for line in kept))
    return kept, damage


def damage_of(path: Path, lines: Sequence[int]) -> str:
    """A sentence about the damaged lines of a file, by their numbers."""
    numbers = ", ".join(map(str, lines[:10])) + (f" and {len(lines) - 10:,} more" if len(lines) > 10 else "")
    subject = f"lines {numbers} are" if len(lines) > 1 else f"line {numbers} is"
    return f"{path}: {subject} damaged and left out"


def _free_name(path: Path) -> Path:
    """A path beside a file, ``log.damaged-1.jsonl``, with the first number that is free."""
    number = 1
    while (free := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    return free


def _renamed(entry: dict[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(key, key): value for key, value in entry.items()}


def _checked(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The entry, or None where a known key has a value of another type, or a count is negative."""
    types = _types()
    try:
        for key, value in entry.items():
            if key in types:
                structured(value, types[key])
    except ValueError:
        return None
    return None if any(type(value) is int and value < 0 for value in entry.values()) else entry


@cache
def _types() -> dict[str, Any]:
    return get_type_hints(LogEntry)
