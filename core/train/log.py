"""The log of a run: one JSON object a line in ``log.jsonl``, and what its lines say."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from attrs import asdict, field, frozen

from ..storage.atomic import explained, write_text


@frozen
class Entry:
    """One line: means over the steps since the last line.

    ``losses`` are per prediction, by pathway, before weights. ``data_wait`` is the share of the time that steps stood
    still for a batch. ``time`` is in seconds of training since the run began. ``passed_over`` counts by kind the
    examples that could not be used, or not whole.
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


class Log:
    """Appends entries to a file, each as it comes. A resumed run first drops lines after the step it goes on from."""

    def __init__(self, path: Path, total: int) -> None:
        self._path = path
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if step_of(line) <= total]
            write_text(path, "".join(line + "\n" for line in kept))
        with explained("write", path):
            self._file = path.open("a")

    def write(self, entry: Entry) -> None:
        with explained("write", self._path):
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()

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
