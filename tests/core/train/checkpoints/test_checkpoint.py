"""A checkpoint is whole or it is passed over with its fault; a log drops what a resumed run does again."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import torch
from attrs import evolve
from janiform import StorageError
from janiform.train.checkpoints.checkpoint import Checkpoint, Position, load_newest, save
from janiform.train.progress.log import Log, LogEntry, read_log
from janiform.train.progress.reporter import Reporter
from rich.console import Console


def checkpoint(total: int, score: float | None = None) -> Checkpoint:
    weights = torch.full((3, 2), float(total))
    channels_last = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    position = Position("stage", total, total, {"a": total}, {"a": total + 1}, 1, 0, 2.5)
    tensors = {
        "w": weights,
        "c": channels_last,
        "optimizer/w/step": torch.tensor(float(total)),
        "random/0": torch.arange(3),
    }
    return Checkpoint(position, tensors, score)


DAMAGES = {
    "lacks training.safetensors": lambda path: (path / "training.safetensors").unlink(),
    "has 3 bytes of model.safetensors": lambda path: (path / "model.safetensors").write_bytes(b"abc"),
    "has an altered state.json": lambda path: (path / "state.json").write_text(
        (path / "state.json").read_text().replace("2.5", "9.5")
    ),
    "is incomplete": lambda path: (path / "manifest.json").unlink(),
    "has an unreadable manifest.json": lambda path: (path / "manifest.json").write_text("{"),
}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = checkpoint(4)
    save(tmp_path, saved, keep=2)
    stored = load_newest(tmp_path, print)
    assert stored is not None
    assert stored.position == saved.position
    assert stored.shapes == {name: tuple(tensor.shape) for name, tensor in saved.tensors.items()}
    loaded = {name: torch.zeros_like(tensor) for name, tensor in saved.tensors.items()}
    stored.fill(loaded)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in saved.tensors.items())


def test_what_does_not_fit_is_said_before_anything_is_read(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(4), keep=2)
    stored = load_newest(tmp_path, print)
    assert stored is not None
    targets = {"w": torch.zeros(3, 2), "c": torch.zeros(5), "d": torch.zeros(1)}
    with pytest.raises(StorageError) as caught:
        stored.fill(targets)
    said = [problem.message.partition(": ")[2] for problem in caught.value.problems]
    assert said == [
        "the tensor d is missing",
        "the tensor optimizer/w/step does not belong to this run",
        "the tensor c has the shape [1, 2, 3, 4], not [5] as in the model",
    ]
    assert not targets["w"].any()


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for total in (1, 2, 10, 9, 100):
        save(tmp_path, checkpoint(total), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000100"]


def test_the_best_is_kept_beside_the_newest(tmp_path: Path) -> None:
    for total, score in enumerate((5.0, 2.0, 3.0, None, 4.0)):
        save(tmp_path, checkpoint(total, score), keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001", "step-000004"]
    other = checkpoint(5, 9.0)
    save(tmp_path, evolve(other, position=evolve(other.position, stage="next")), keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"], "what another stage lost is not compared"


@pytest.mark.parametrize("fault", DAMAGES)
def test_a_damaged_one_is_skipped_and_reported(tmp_path: Path, fault: str) -> None:
    for total in (1, 2):
        save(tmp_path, checkpoint(total), keep=2)
    DAMAGES[fault](tmp_path / "step-000002")
    said: list[str] = []
    loaded = load_newest(tmp_path, said.append)
    assert loaded is not None
    assert loaded.position.total == 1
    assert len(said) == 1
    assert "skipped checkpoint step-000002" in said[0]
    assert fault in said[0]


def test_none_and_none_whole(tmp_path: Path) -> None:
    assert load_newest(tmp_path, print) is None
    assert load_newest(tmp_path / "nowhere", print) is None
    save(tmp_path, checkpoint(1), keep=1)
    (tmp_path / "step-000001" / "manifest.json").unlink()
    with pytest.raises(StorageError, match=r"no checkpoint in .* is complete: step-000001 has no manifest"):
        load_newest(tmp_path, print)


def entry(total: int) -> LogEntry:
    return LogEntry("s", total, 10, total, {"text": 0.5}, {}, 1e-3, 1.0, 99.0, 0.0, 0, 1.0)


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
        reporter.entry(LogEntry("warm", 2, 2, 2, {"text": 0.5, "[b]": 2.0}, {}, 1e-3, 1.0, 99.0, 0.0, 0, 1.0))
        reporter.say("passed over [x]")
    shown = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).split())
    for piece in ("warm", "text 0.5", "[b] 2", "samples/s 99" if terminal else "99 samples/s", "passed over [x]"):
        assert piece in shown
