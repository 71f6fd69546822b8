"""Checkpoints of a run: folders ``checkpoints/step-000120`` that are whole or are passed over.

Each holds ``model.safetensors``, ``training.pt`` (optimizer, what the objective owns, averages, random states),
``state.json`` (where the run is) and ``manifest.json`` (size and digest of the others).
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cattrs
import torch
from attrs import asdict, field, frozen
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import StorageError
from ..storage.atomic import explained, new_folder, sweep
from ..storage.digest import file_digest

_FILES = ("model.safetensors", "training.pt", "state.json")


@frozen
class Position:
    """Where a run is: ``step`` steps of ``stage`` are done, ``total`` of the whole run.

    ``taken`` counts the samples of each source since the stage began, ``positions`` since the run began. ``seconds``
    is the time spent training.
    """

    stage: str
    step: int = 0
    total: int = 0
    taken: dict[str, int] = field(factory=dict)
    positions: dict[str, int] = field(factory=dict)
    skipped: int = 0
    skipped_in_a_row: int = 0
    seconds: float = 0.0


@frozen
class Checkpoint:
    """A position with everything that training needs to go on from there as if it had never stopped.

    ``model`` holds the tensors of the model by name; ``training`` nested dicts and lists of tensors and plain values.
    """

    position: Position
    model: Mapping[str, Tensor]
    training: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint into ``folder``, then delete all but the ``keep`` newest. Returns its path."""
    path = folder / f"step-{checkpoint.position.total:06d}"
    with new_folder(path) as staging:
        save_file({name: tensor.contiguous() for name, tensor in checkpoint.model.items()}, staging / _FILES[0])
        with (staging / _FILES[1]).open("wb") as file:
            torch.save(dict(checkpoint.training), file)
        (staging / _FILES[2]).write_text(json.dumps(asdict(checkpoint.position), indent=2))
        manifest = {
            name: {"bytes": (staging / name).stat().st_size, "sha256": file_digest(staging / name)} for name in _FILES
        }
        (staging / "manifest.json").write_text(json.dumps(manifest, indent=2))
    for old in _newest_first(folder)[max(keep, 1) :]:
        shutil.rmtree(old, ignore_errors=True)
    sweep(folder)
    return path


def load_newest(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole; each one passed over is said with its fault. None where there is none.

    Raises:
        StorageError: there are checkpoints, and every one is damaged.
    """
    faults = []
    for path in _newest_first(folder):
        fault = _fault(path)
        if fault is None:
            try:
                return _load(path)
            except StorageError as error:
                fault = str(error)
        faults.append(f"{path.name} {fault}")
        say(f"passed over checkpoint {path.name}: it {fault}")
    if faults:
        raise StorageError(f"no checkpoint in {folder} is whole: {'; '.join(faults)}; start again with another --out")
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("step-*") if path.is_dir()), key=_number, reverse=True)


def _number(path: Path) -> int:
    digits = path.name.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        expected = {name: (manifest[name]["bytes"], manifest[name]["sha256"]) for name in _FILES}
    except FileNotFoundError:
        return "has no manifest.json, so it is half-written"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"has an unreadable manifest.json ({error})"
    for name, (size, digest) in expected.items():
        file = path / name
        if not file.is_file():
            return f"lacks {name}"
        if file.stat().st_size != size:
            return f"has {file.stat().st_size} bytes of {name} where {size} were written"
        if file_digest(file) != digest:
            return f"has an altered {name}"
    return None


def _load(path: Path) -> Checkpoint:
    with explained("read", path):
        position = cattrs.structure(json.loads((path / "state.json").read_text()), Position)
        model = load_file(path / "model.safetensors")
        try:
            training = torch.load(path / "training.pt", map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, SafetensorError) as error:
            raise StorageError(f"holds what no checkpoint of janiform holds: {error}") from error
    return Checkpoint(position, model, training)
