"""The samples that training skipped, or cut, listed in ``skipped.jsonl`` and counted by kind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from attrs import asdict, evolve, frozen

from ...storage.atomic import explained
from ...storage.json_files import parse_json
from ...untrusted_text import storable
from .log import rewind

MAX_LISTED = 10_000
"""Lines per kind, which bounds the file's size; all samples are counted."""


MAX_REASON = 1000
"""Characters of a reason that are listed; a reason may quote what is in a record."""


@frozen
class SkippedSample:
    """A sample that was skipped at a step of its stage, or, where ``kept``, one that was used but not whole."""

    step: int
    source: str
    index: int
    kind: str
    reason: str
    kept: bool = False


class SkippedSampleLog:
    """Lists samples in a file that is created for the first of them. A resumed run drops lines of the steps it repeats.

    Args:
        path: the file; None only counts.
        total: steps of the run that are done.

    ``damage`` is a sentence about the damaged lines of the file; empty where there were none.
    """

    def __init__(self, path: Path | None = None, total: int = 0) -> None:
        self._path = path
        self.damage = ""
        self._file: TextIO | None = None
        self._listed: Counter[str] = Counter()
        self._since: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        if path is not None and path.exists():
            kept, self.damage = rewind(path, total)
            self._listed.update(str(parse_json(line).get("kind")) for line in kept)

    def add(self, total: int, samples: Iterable[SkippedSample]) -> None:
        """Record the samples skipped in step ``total`` of the run."""
        for sample in samples:
            self.counts[sample.kind] += 1
            self._since[sample.kind] += 1
            self._listed[sample.kind] += 1
            if self._path is None or self._listed[sample.kind] > MAX_LISTED:
                continue
            with explained("write", self._path):
                self._file = self._file or self._path.open("a", encoding="utf-8")
                line = json.dumps({"total": total, **asdict(_short(sample))}, ensure_ascii=False)
                self._file.write(storable(line) + "\n")
                self._file.flush()

    def since(self) -> dict[str, int]:
        """Counts by kind since the last call, for a line of the log."""
        counts, self._since = dict(self._since), Counter()
        return counts

    def __enter__(self) -> SkippedSampleLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _short(sample: SkippedSample) -> SkippedSample:
    """The sample with a reason of at most ``MAX_REASON`` characters."""
    reason = sample.reason
    return sample if len(reason) <= MAX_REASON else evolve(sample, reason=f"{reason[:MAX_REASON]}…")
