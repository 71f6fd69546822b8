"""The folder of one run of a study: its state, and the claim of the process that works on it. Torch-free."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import asdict, evolve, field, frozen

from ..errors import StorageError
from ..storage.atomic import explained
from ..storage.json_files import read_json, structured, write_json
from .results import State

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_STATUS = "status.json"


@frozen
class Status:
    """The state of a run: ``stage``, ``step`` and ``steps`` while it trains; ``reason`` where it failed or waits.

    ``reused``: stages that were taken from nodes. ``design``: digest of what was trained. ``resumes``: how often it was
    started again. ``pid``: of the process that wrote it.
    """

    state: State = "planned"
    reason: str = ""
    stages: Mapping[str, str] = field(factory=dict)
    design: str = ""
    evaluation: str = ""
    resumes: int = 0
    seconds: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    pid: int = 0


@frozen
class RunPlace:
    """The folder of a cell with a seed."""

    path: Path
    cell: str
    seed: int

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def items(self) -> Path:
        return self.path / "items.jsonl"

    @property
    def run(self) -> Path:
        """The run's folder, as ``janiform train`` writes it."""
        return self.path / "run"

    @property
    def trained(self) -> bool:
        """Whether its training is finished and the model is written."""
        return (self.run / "model.json").is_file() and (self.run / "model.safetensors").is_file()

    def status(self) -> Status:
        """What the run's process wrote last; ``stopped`` where that process is gone without an end."""
        status = self.written_status()
        if status.state in ("running", "waiting") and not self.claimed():
            return evolve(status, state="stopped", reason="its process ended without saying why")
        return status

    def written_status(self) -> Status:
        """What the run's process wrote last, wherever it runs; nothing is locked."""
        try:
            return structured(read_json(self.path / _STATUS, missing_ok=True), Status)
        except (StorageError, ValueError):
            return Status(reason="its status.json is damaged")

    def set(self, status: Status) -> None:
        write_json(self.path / _STATUS, asdict(status))

    def claimed(self) -> bool:
        """Whether a process works on the run now."""
        with _locked(self.path / ".lock", make=False) as free:
            return not free

    @contextlib.contextmanager
    def claim(self) -> Iterator[bool]:
        """Claim the run for this process; whether that succeeded. The system releases it when the process ends."""
        with explained("write", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with _locked(self.path / ".lock", make=True) as free:
            yield free


@contextlib.contextmanager
def _locked(path: Path, *, make: bool) -> Iterator[bool]:
    if fcntl is None or not (make or path.exists()):
        yield True
        return
    file = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o666)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        yield True
    finally:
        os.close(file)
