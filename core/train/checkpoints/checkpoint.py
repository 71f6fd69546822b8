"""Checkpoints of a run: folders ``checkpoints/step-000120``; incomplete ones are skipped.

One process writes ``model.safetensors`` and ``training.safetensors`` (optimizer states, what the objective owns,
averages and random states); several write a file of their shards each, by torch.distributed.checkpoint. ``state.json``
holds the run's position, ``manifest.json`` size and digest of the other files. No file is a pickle, and either kind is
read by any number of processes.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any, cast

from attrs import asdict, field, frozen
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load as load_shards
from torch.distributed.checkpoint.state_dict_saver import save as save_shards

from ...errors import Problem, StorageError
from ...storage.atomic import explained, new_folder, sweep
from ...storage.digest import file_digest
from ...storage.json_files import read_json, structured
from ..distributed.process_group import ALONE, ProcessGroup
from .files import MANIFEST, STATE


@frozen
class Position:
    """Where a run is: ``step`` steps of ``stage`` are done, ``total`` of the whole run.

    ``taken`` counts the samples of each source since the stage began, ``positions`` since the run began. ``skipped``
    counts the steps of the run that changed nothing, ``idle`` those of them without a gradient, ``skipped_in_a_row``
    the steps that were not finite since the last update. ``seconds`` is the time spent training.
    """

    stage: str
    step: int = 0
    total: int = 0
    taken: dict[str, int] = field(factory=dict)
    positions: dict[str, int] = field(factory=dict)
    skipped: int = 0
    skipped_in_a_row: int = 0
    seconds: float = 0.0
    idle: int = 0


@frozen
class _ManifestEntry:
    """The size and digest of a file of a checkpoint."""

    bytes: int
    sha256: str


@frozen
class Checkpoint:
    """A position with everything that training needs to continue from there as if it had never stopped.

    ``tensors`` are those of the model by their names, and others below ``optimizer/``, ``objective/``, ``average/`` and
    ``random/``. ``score`` is lowest for the best checkpoint; None where no loss decides that.
    """

    position: Position
    tensors: Mapping[str, Tensor]
    score: float | None = None


@frozen
class StoredCheckpoint:
    """A complete checkpoint on disk. The shape of each of its tensors is known; their values are not read yet."""

    path: Path
    position: Position
    shapes: Mapping[str, tuple[int, ...]]

    def fill(self, targets: Mapping[str, Tensor], group: ProcessGroup = ALONE) -> None:
        """Read values into tensors, in place; where these are sharded, each process reads its shards.

        Raises:
            StorageError: tensors are missing, surplus or of another shape, in which case nothing was read; or they
                cannot be read.
        """
        problems = [f"the tensor {name} is missing" for name in targets if name not in self.shapes]
        problems += [
            f"the tensor {name} does not belong to this run"
            for name in self.shapes
            if name not in targets and not name.startswith("random")
        ]
        problems += [
            f"the tensor {name} has the shape {list(self.shapes[name])}, not {list(tensor.shape)} as in the model"
            for name, tensor in targets.items()
            if name in self.shapes and self.shapes[name] != tuple(tensor.shape)
        ]
        if problems:
            raise StorageError([Problem(f"{self.path}: {problem}") for problem in problems])
        with explained("read", self.path), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            reader = HuggingFaceStorageReader(str(self.path))
            try:
                load_shards(dict(targets), storage_reader=reader, process_group=group.files, no_dist=group.size == 1)
            except CheckpointException as error:
                raise _cause(error) from error


def save(folder: Path, checkpoint: Checkpoint, keep: int, group: ProcessGroup = ALONE) -> Path:
    """Write a checkpoint into ``folder``, then delete all but the ``keep`` newest and the best. Returns its path.

    Where several processes call it together, each writes its shards.
    """
    path = folder / f"step-{checkpoint.position.total:06d}"
    if not group.main:
        if staging := group.from_main("", group.files):
            with explained("write", path):
                _write_shards(Path(staging), checkpoint, group)
        return path
    sent = False
    try:
        with new_folder(path) as staging_folder:
            sent = bool(group.from_main(str(staging_folder), group.files))
            if group.size > 1:
                _write_shards(staging_folder, checkpoint, group)
            else:
                _write(staging_folder, checkpoint)
            state = {**asdict(checkpoint.position), "score": checkpoint.score}
            (staging_folder / STATE).write_text(json.dumps(state, indent=2), encoding="utf-8")
            manifest = {
                file.name: {"bytes": file.stat().st_size, "sha256": file_digest(file)}
                for file in sorted(staging_folder.iterdir())
            }
            (staging_folder / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    finally:
        if not sent:
            group.from_main("", group.files)
    _prune(folder, keep)
    return path


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    kinds: dict[str, dict[str, Tensor]] = {"model": {}, "training": {}}
    for name, tensor in checkpoint.tensors.items():
        kinds["training" if "/" in name else "model"][name] = tensor.contiguous()
    for kind, tensors in kinds.items():
        save_file(tensors, folder / f"{kind}.safetensors")


def _write_shards(folder: Path, checkpoint: Checkpoint, group: ProcessGroup) -> None:
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        save_shards(dict(checkpoint.tensors), storage_writer=writer, process_group=group.files)
    except CheckpointException as error:
        raise _cause(error) from error


def _cause(error: CheckpointException) -> Exception:
    """The system's error on the process that failed, where there is one."""
    causes = [cause for cause, _ in error.failures.values()]
    return next(
        (cause for cause in causes if isinstance(cause, OSError | SafetensorError)), RuntimeError(str(causes[0]))
    )


def _prune(folder: Path, keep: int) -> None:
    newest = _newest_first(folder)
    scores = {path: _score(path, _state(newest[0]).get("stage")) for path in newest}
    best = min(newest, key=lambda path: scores[path])
    for old in newest[max(keep, 1) :]:
        if old != best or scores[old] == inf:
            shutil.rmtree(old, ignore_errors=True)
    sweep(folder)


def _score(path: Path, stage: object) -> float:
    state = _state(path)
    score = state.get("score")
    return float(score) if isinstance(score, int | float) and state.get("stage") == stage else inf


def _state(path: Path) -> dict[str, Any]:
    try:
        return read_json(path / STATE)
    except StorageError:
        return {}


def load_newest(folder: Path, say: Callable[[str], None]) -> StoredCheckpoint | None:
    """The newest complete checkpoint, or None where the folder has none. ``say`` is called for each damaged one.

    Raises:
        StorageError: there are checkpoints, and all are damaged.
    """
    faults = []
    for path in _newest_first(folder):
        fault = _fault(path)
        if fault is None:
            try:
                return _opened(path)
            except (StorageError, ValueError) as error:
                fault = f"cannot be read: {error}"
        faults.append(f"{path.name} {fault}")
        say(f"skipped checkpoint {path.name}: it {fault}")
    if faults:
        raise StorageError(
            f"no checkpoint in {folder} is complete: {'; '.join(faults)}; start a new run with another --out"
        )
    return None


def newest_stage(folder: Path) -> str | None:
    """The stage of the newest checkpoint, complete or not; None where there is none."""
    stages = (_state(path).get("stage") for path in _newest_first(folder))
    return next((stage for stage in stages if isinstance(stage, str)), None)


def _newest_first(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("step-*") if path.is_dir()), key=_number, reverse=True)


def _number(path: Path) -> int:
    digits = path.name.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        expected = structured(read_json(path / MANIFEST, missing_ok=True), dict[str, _ManifestEntry])
    except (StorageError, ValueError) as error:
        return f"has an unreadable {MANIFEST} ({error})"
    if not expected and not (path / MANIFEST).exists():
        return f"has no {MANIFEST}, so it is incomplete"
    if STATE not in expected:
        return f"has an unreadable {MANIFEST} (it does not list {STATE})"
    for name, entry in expected.items():
        file = path / name
        if name != file.name:
            return f"has an unreadable {MANIFEST} ('{name}' is not the name of a file in it)"
        if not file.is_file():
            return f"lacks {name}"
        if file.stat().st_size != entry.bytes:
            return f"has {file.stat().st_size} bytes of {name} instead of {entry.bytes}"
        if file_digest(file) != entry.sha256:
            return f"has an altered {name}"
    return None


def _opened(path: Path) -> StoredCheckpoint:
    with explained("read", path):
        position = structured(_state(path), Position)
        described = HuggingFaceStorageReader(str(path)).read_metadata().state_dict_metadata
        shapes = {name: tuple(cast(TensorStorageMetadata, about).size) for name, about in described.items()}
    return StoredCheckpoint(path, position, shapes)
