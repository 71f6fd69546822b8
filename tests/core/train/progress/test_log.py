"""The log of a run is read whatever version wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import asdict
from janiform.recipe import Recipe
from janiform.train.progress.log import Log, LogEntry, read_log
from janiform.train.run.train import train

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


def test_a_resumed_log_names_its_damaged_lines_once_and_keeps_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = json.dumps(asdict(ENTRY))
    wrong = good.replace('"step": 2', '"step": "two"')
    before = f'{good}\nnot JSON \udcff\n{wrong}\n{{"stage": "s"}}\n{good}\n{{"tot'.encode("utf-8", "surrogateescape")
    path.write_bytes(before)
    with Log(path, 2) as log:
        kept = "the file as it was is kept as log.damaged-1.jsonl"
        assert log.damage == f"{path}: lines 2, 3, 4 are damaged and left out; {kept}"
    assert path.read_text() == f"{good}\n{good}\n"
    assert (tmp_path / "log.damaged-1.jsonl").read_bytes() == before
    with Log(path, 2) as log:
        assert log.damage == ""
    path.write_text("".join("[]\n" for _ in range(12)))
    with Log(path, 2) as log:
        assert "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more are damaged" in log.damage
    assert {file.name for file in tmp_path.iterdir()} == {"log.jsonl", "log.damaged-1.jsonl", "log.damaged-2.jsonl"}


def test_a_resumed_run_reports_what_is_damaged(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    train(recipe, tmp_path, until=2, stages=["tokenizer"], device="cpu", reporter=listener, ahead=0)
    for name in ("log.jsonl", "skipped.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write("garbage\n")
    listener.said.clear()
    train(recipe, tmp_path, until=3, resume=True, device="cpu", reporter=listener, ahead=0)
    damaged = [said for said in listener.said if "damaged and left out" in said]
    assert [Path(said.partition(": ")[0]).name for said in damaged] == ["log.jsonl", "skipped.jsonl"]
