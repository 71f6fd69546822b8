"""The log of a run: one JSON object a line in ``log.jsonl``, and what its lines say.

A key is never renamed and never changes what it means; new ones are added. Who reads a log passes over keys that he
does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from attrs import asdict, field, frozen

from ...storage.atomic import explained, write_text


@frozen
class Entry:
    """One line: means over the steps since the last line.

    ``losses`` are per prediction, by pathway, before weights. ``data_wait`` is the share of the time that steps stood
    still for a batch. ``time`` is in seconds of training since the run began. ``passed_over`` counts by kind the
    examples that could not be used, or not whole.

    Where batches hold sequences: ``tokens`` are positions without padding, ``packing`` is their share of all positions,
    ``mfu`` the share of the devices' arithmetic that the model used; None elsewhere. ``memory``: the most bytes in use
    on a device so far, 0 where nobody says.
    """

    stage: str
    step: int
    steps: int
    total: int
    losses: dict[str, float]
    figures: dict[str, float]
    learning_rate: float
    grad_norm: float
    samples_per_second: float
    data_wait: float
    skipped: int
    time: float
    predictions: dict[str, int] = field(factory=dict)
    passed_over: dict[str, int] = field(factory=dict)
    tokens: int | None = None
    tokens_per_second: float | None = None
    packing: float | None = None
    mfu: float | None = None
    memory: int = 0


class Log:
    """Appends entries to a file, each as it comes. A resumed run first drops lines after the step it goes on from.

    ``also`` is told every entry after it was written.
    """

    def __init__(self, path: Path, total: int, also: Callable[[Entry], None] | None = None) -> None:
        self._path = path
        self._also = also
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if step_of(line) <= total]
            write_text(path, "".join(line + "\n" for line in kept))
        with explained("write", path):
            self._file = path.open("a")

    def write(self, entry: Entry) -> None:
        with explained("write", self._path):
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
        if self._also is not None:
            self._also(entry)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_log(path: Path) -> list[dict[str, object]]:
    """The entries of a log as dicts, a torn last line left out."""
    entries = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def step_of(line: str) -> float:
    """The step of the run that a line belongs to; a torn one, as a kill leaves, counts as later than any."""
    try:
        return int(json.loads(line)["total"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
