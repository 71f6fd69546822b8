"""Stages that several runs share: a run may take a finished stage instead of training it, and keep what it trained.

A store of stages implements ``StageNodes``; ``StageMemory`` is a run's note, in ``nodes.json``, of how the stage in
progress began, by which a resumed run still knows what the whole stage changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from attrs import asdict, evolve, field, frozen
from torch import nn

from ...errors import StorageError
from ...model.unified_model import UnifiedModel
from ...storage.json_files import read_json, structured, write_json
from ...storage.tensors import tensors_of
from ..checkpoints.checkpoint import Position

FILE = "nodes.json"


@frozen
class NodeFacts:
    """The facts of a stage that was trained, from which a run that takes it continues.

    ``steps`` of the stage, ``samples`` taken from each source, ``skipped`` steps that changed nothing and the ``idle``
    ones among them, ``seconds`` of training, the ``attention`` kernel. ``origin``: where the stage was trained, for
    messages and provenance.
    """

    steps: int
    samples: dict[str, int] = field(factory=dict)
    skipped: int = 0
    idle: int = 0
    seconds: float = 0.0
    attention: str = ""
    origin: str = ""


def after(position: Position, facts: NodeFacts) -> Position:
    """The position of a run after a stage, at whose beginning it is, as if it had trained it."""
    samples = {name: position.positions.get(name, 0) + count for name, count in facts.samples.items()}
    return evolve(
        position,
        step=facts.steps,
        total=position.total + facts.steps,
        taken=dict(facts.samples),
        positions={**position.positions, **samples},
        skipped=position.skipped + facts.skipped,
        idle=position.idle + facts.idle,
        seconds=position.seconds + facts.seconds,
    )


class StageNodes(Protocol):
    """A store of finished stages. Only the first process of a run calls it."""

    def take(self, stage: str, model: UnifiedModel) -> NodeFacts | None:
        """Fill the parts that a stage changes with their float32 values after it; None, and no change, without them.

        It is called before a stage is trained, when the model is as the stages before it left it.
        """

    def keep(self, stage: str, model: UnifiedModel, changed: Mapping[str, nn.Module], facts: NodeFacts) -> None:
        """Store what a stage that was trained has changed: the parts of the model, by path, whose tensors differ.

        It may be called again for a stage that was kept, by a run that is resumed.
        """


@frozen
class _Beginning:
    """How a stage began: the run's ``position``, and the digests of the parts by path."""

    position: Position
    parts: dict[str, str]


class StageMemory:
    """The beginning of the stage in progress, stored in the folder of its run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def begin(self, position: Position, model: UnifiedModel) -> None:
        """Store how a stage begins. Raises ``StorageError``."""
        write_json(self._path, asdict(_Beginning(position, part_digests(model))))

    def changes(
        self, position: Position, model: UnifiedModel, attention: str
    ) -> tuple[dict[str, nn.Module], NodeFacts] | None:
        """The parts that the stage has changed, and its facts; None where its beginning is not known.

        Raises ``StorageError`` where the file is damaged.
        """
        try:
            content = read_json(self._path, missing_ok=True)
            before = structured(content, _Beginning) if content else None
        except (StorageError, ValueError) as error:
            message = f"{self._path} is damaged: {error}; delete it to resume without storing the stage"
            raise StorageError(message) from error
        if before is None or before.position.stage != position.stage:
            return None
        now, modules = part_digests(model), model.built_parts()
        facts = NodeFacts(
            steps=position.step,
            samples=dict(position.taken),
            skipped=position.skipped - before.position.skipped,
            idle=position.idle - before.position.idle,
            seconds=position.seconds - before.position.seconds,
            attention=attention,
            origin=str(self._path.parent),
        )
        return {path: modules[path] for path, digest in now.items() if before.parts.get(path) != digest}, facts


def part_digests(model: UnifiedModel) -> dict[str, str]:
    """The SHA-256 of each part's parameters and persistent buffers, by path."""
    return {path: _digest(part) for path, part in model.built_parts().items()}


def _digest(part: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors_of(part).items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
