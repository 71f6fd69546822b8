"""The log of a run is read whatever version wrote it."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import asdict
from janiform.train.progress.log import Log, LogEntry, read_log

ENTRY = LogEntry("s", 2, 10, 2, {"text": 0.5}, {}, 1e-3, 1.0, 99.0, 0.0, 1, 1.0, skipped_samples={"cut": 3})


def test_keys_of_earlier_versions_are_read_by_their_names_today(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    earlier = asdict(ENTRY)
    earlier |= {"total": 1, "skipped": earlier.pop("skipped_steps"), "passed_over": earlier.pop("skipped_samples")}
    path.write_text(json.dumps(earlier) + "\n")
    with Log(path, 1) as log:
        log.write(ENTRY)
    old, new = read_log(path)
    assert new == asdict(ENTRY)
    assert old == {**new, "total": 1}


def test_lines_that_are_not_entries_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"total": 1}\n[2]\n{"total": 3, "unknown": true}\n{"tot')
    assert read_log(path) == [{"total": 1}, {"total": 3, "unknown": True}]
