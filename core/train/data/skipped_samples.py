"""The examples that training passed over, or cut, listed in ``skipped.jsonl`` and counted by kind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from attrs import asdict, frozen

from ...storage.atomic import explained, write_text
from ..progress.log import step_of

LISTED = 10_000
"""Lines of a kind; all are counted, but a list without end would help nobody."""


@frozen
class Skip:
    """An example that was passed over at a step of its stage, or, where ``kept``, one that was used but not whole."""

    step: int
    source: str
    index: int
    kind: str
    said: str
    kept: bool = False


class SkipLog:
    """Lists examples in a file that is made when there is a first one. A resumed run drops what it does again.

    Args:
        path: the file; None only counts.
        total: steps of the run that are done.
    """

    def __init__(self, path: Path | None, total: int = 0) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._listed: Counter[str] = Counter()
        self._since: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        if path is not None and path.exists():
            with explained("read", path):
                kept = [line for line in path.read_text().splitlines() if step_of(line) <= total]
            write_text(path, "".join(line + "\n" for line in kept))
            self._listed.update(str(json.loads(line).get("kind")) for line in kept)

    def add(self, total: int, skips: Iterable[Skip]) -> None:
        """Take in what was passed over in step ``total`` of the run."""
        for skip in skips:
            self.counts[skip.kind] += 1
            self._since[skip.kind] += 1
            self._listed[skip.kind] += 1
            if self._path is None or self._listed[skip.kind] > LISTED:
                continue
            with explained("write", self._path):
                self._file = self._file or self._path.open("a")
                self._file.write(json.dumps({"total": total, **asdict(skip)}, ensure_ascii=False) + "\n")
                self._file.flush()

    def since(self) -> dict[str, int]:
        """Counts by kind since the last call, for a line of the log."""
        counts, self._since = dict(self._since), Counter()
        return counts

    def __enter__(self) -> SkipLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
