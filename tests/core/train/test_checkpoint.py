"""A checkpoint is whole or it is passed over with its fault; a log drops what a resumed run does again."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import StorageError
from janiform.storage.digest import file_digest
from janiform.train.checkpoint import Checkpoint, Position, load_newest, save
from janiform.train.log import Entry, Log, read_log
from janiform.train.progress import Reporter
from rich.console import Console


def checkpoint(total: int) -> Checkpoint:
    weights = torch.full((3, 2), float(total))
    channels_last = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    position = Position("stage", total, total, {"a": total}, {"a": total + 1}, 1, 0, 2.5)
    return Checkpoint(position, {"w": weights, "c": channels_last}, {"optimizer": {"state": {0: {"step": weights}}}})


DAMAGES = {
    "lacks training.pt": lambda path: (path / "training.pt").unlink(),
    "has 3 bytes of model.safetensors": lambda path: (path / "model.safetensors").write_bytes(b"abc"),
    "has an altered state.json": lambda path: (path / "state.json").write_text(
        (path / "state.json").read_text().replace("2.5", "9.5")
    ),
    "is half-written": lambda path: (path / "manifest.json").unlink(),
    "has an unreadable manifest.json": lambda path: (path / "manifest.json").write_text("{"),
}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = checkpoint(4)
    save(tmp_path, saved, keep=2)
    loaded = load_newest(tmp_path, print)
    assert loaded is not None
    assert loaded.position == saved.position
    assert all(torch.equal(loaded.model[name], tensor) for name, tensor in saved.model.items())
    assert torch.equal(
        loaded.training["optimizer"]["state"][0]["step"], saved.training["optimizer"]["state"][0]["step"]
    )


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for total in (1, 2, 10, 9, 100):
        save(tmp_path, checkpoint(total), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000100"]


@pytest.mark.parametrize("fault", DAMAGES)
def test_a_damaged_one_is_passed_over_and_said(tmp_path: Path, fault: str) -> None:
    for total in (1, 2):
        save(tmp_path, checkpoint(total), keep=2)
    DAMAGES[fault](tmp_path / "step-000002")
    said: list[str] = []
    loaded = load_newest(tmp_path, said.append)
    assert loaded is not None
    assert loaded.position.total == 1
    assert len(said) == 1
    assert "passed over checkpoint step-000002" in said[0]
    assert fault in said[0]


def test_none_and_none_whole(tmp_path: Path) -> None:
    assert load_newest(tmp_path, print) is None
    assert load_newest(tmp_path / "nowhere", print) is None
    save(tmp_path, checkpoint(1), keep=1)
    (tmp_path / "step-000001" / "manifest.json").unlink()
    with pytest.raises(StorageError, match=r"no checkpoint in .* is whole: step-000001 has no manifest"):
        load_newest(tmp_path, print)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "owned",))

    path = save(tmp_path / "c", checkpoint(1), keep=1)
    torch.save({"optimizer": Evil()}, path / "training.pt")
    manifest = json.loads((path / "manifest.json").read_text())
    file = path / "training.pt"
    manifest["training.pt"] = {"bytes": file.stat().st_size, "sha256": file_digest(file)}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match="holds what no checkpoint of janiform holds"):
        load_newest(tmp_path / "c", print)
    assert not (tmp_path / "owned").exists()


def entry(total: int) -> Entry:
    return Entry("s", total, 10, total, {"text": 0.5}, {}, 1e-3, 1.0, 99.0, 0.0, 0, 1.0)


def test_a_resumed_log_goes_on_after_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path, 0) as log:
        for total in (1, 2, 3):
            log.write(entry(total))
    with path.open("a") as file:
        file.write('{"stage": "s", "tot')  # a kill in the middle of a line
    assert [line["total"] for line in read_log(path)] == [1, 2, 3]
    with Log(path, 2) as log:
        log.write(entry(3))
    assert [line["total"] for line in read_log(path)] == [1, 2, 3]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_stage_losses_and_rate(terminal: bool) -> None:
    file = io.StringIO()
    with Reporter(Console(file=file, force_terminal=terminal, width=120)) as reporter:
        reporter.stage("warm", 0, 2)
        reporter.advance()
        reporter.entry(Entry("warm", 2, 2, 2, {"text": 0.5, "[b]": 2.0}, {}, 1e-3, 1.0, 99.0, 0.0, 0, 1.0))
        reporter.say("passed over [x]")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    for piece in ("warm", "text 0.5", "[b] 2", "99 samples/s", "passed over [x]"):
        assert piece in shown
