"""The log of a run: one JSON object per line in ``log.jsonl``.

Keys are added and do not change their meaning. Readers must ignore unknown keys; ``read_log`` also reads lines of
earlier versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, get_type_hints

from attrs import asdict, field, frozen

from ...storage.atomic import explained, write_text
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


_RENAMED = {"skipped": "skipped_steps", "passed_over": "skipped_samples"}
"""Keys of version 0.1 -> their names today."""


class Log:
    """Appends entries to a file as they come. A resumed run first drops the lines after the step it resumes from."""

    def __init__(self, path: Path, total: int) -> None:
        self._path = path
        if path.exists():
            write_text(path, "".join(line + "\n" for line in lines_until(path, total)))
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
        yield None if entry is None else _checked({_RENAMED.get(key, key): value for key, value in entry.items()})


def lines_until(path: Path, total: int) -> list[str]:
    """The lines of a file of the first ``total`` steps of a run; damaged and incomplete lines are dropped.

    Raises ``StorageError`` where the file cannot be read.
    """
    return [line for line, entry in json_lines(path) if entry is not None and _step_of(entry) <= total]


def _step_of(entry: dict[str, Any]) -> float:
    total = entry.get("total")
    return total if type(total) is int else float("inf")


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
