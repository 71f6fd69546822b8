"""Outputs of an evaluation on the disk, so that one that was interrupted continues where it ended.

A folder with ``evaluation.json`` (what was evaluated), ``outputs.jsonl`` and ``losses.jsonl`` (one output or held-out
loss per line, in the order in which they were computed) and ``pictures/``. Further processes write ``outputs.1.jsonl``,
``losses.1.jsonl`` and so on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import asdict, frozen
from PIL import Image

from ..errors import Origin, Problem, StorageError, UsageError
from ..pictures.read import read_picture
from ..storage.atomic import explained
from ..storage.json_files import parse_json, read_json, structured, write_json

FORMAT = 1

_OUTPUTS, _LOSSES = "outputs", "losses"


@frozen
class StoredOutput:
    """An answer, or the file of a drawing relative to the store; the other one is empty.

    ``digest`` is that of the request. ``seconds``: those of its round, divided by the number of its outputs.
    """

    item: str
    digest: str
    output: str = ""
    file: str = ""
    seconds: float = 0.0


@frozen
class StoredLoss:
    """The held-out loss of a request."""

    item: str
    digest: str
    value: float


class OutputStore:
    """The store of one process; ``rank`` is its number. ``prepare`` must have been called by one of them."""

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.folder = folder
        self._suffix = f".{rank}.jsonl" if rank else ".jsonl"
        self.outputs: dict[str, StoredOutput] = {}
        self.losses: dict[str, StoredLoss] = {}
        self.read()

    @property
    def pictures(self) -> Path:
        """The folder of the drawings."""
        return self.folder / "pictures"

    def read(self) -> None:
        """Read what all processes have written. Raises ``StorageError``."""
        self.outputs = _by_item(self.folder, _OUTPUTS, StoredOutput)
        self.losses = _by_item(self.folder, _LOSSES, StoredLoss)

    def add_outputs(self, outputs: Iterable[StoredOutput]) -> None:
        """Append outputs, which are on the disk afterwards."""
        outputs = list(outputs)
        self._append(_OUTPUTS, outputs)
        self.outputs |= {output.item: output for output in outputs}

    def add_losses(self, losses: Iterable[StoredLoss]) -> None:
        """Append held-out losses, which are on the disk afterwards."""
        losses = list(losses)
        self._append(_LOSSES, losses)
        self.losses |= {loss.item: loss for loss in losses}

    def load(self, item: str) -> str | Image.Image:
        """The answer or the drawing of an item. Raises ``StorageError`` where its file is missing or damaged."""
        stored = self.outputs[item]
        if not stored.file:
            return stored.output
        path = self.picture_file(stored)
        if not path.is_file():
            raise StorageError(Problem(f"the drawing of '{item}' is missing", origin=Origin(str(path)), hint=_HINT))
        return read_picture(path)

    def picture_file(self, stored: StoredOutput) -> Path:
        """The path of a drawing. Raises ``StorageError`` where it is not in the store."""
        path = PurePosixPath(stored.file)
        if path.is_absolute() or ".." in path.parts:
            raise StorageError(f"the store {self.folder} names the file '{stored.file}', which is not in it")
        return self.folder / path

    def check(self, outputs: Mapping[str, str], losses: Mapping[str, str]) -> None:
        """Raise ``UsageError`` unless everything stored is of these requests, given as item -> digest."""
        for what, stored, digests in ((_OUTPUTS, self.outputs, outputs), (_LOSSES, self.losses, losses)):
            others = [item for item in stored if item not in digests]
            changed = [item for item in stored if item in digests and digests[item] != stored[item].digest]
            for items, reason in (
                (others, "of items that the benchmark does not request"),
                (changed, "of requests that have changed: their text, picture, seed or settings differ"),
            ):
                if items:
                    raise UsageError(
                        Problem(
                            f"the store {self.folder} holds {len(items)} {what} {reason}: {shortened(items)}",
                            hint="name another folder, or evaluate with the data and the settings of before",
                        )
                    )

    def _append(self, name: str, values: list[Any]) -> None:
        if not values:
            return
        lines = "".join(json.dumps(asdict(value)) + "\n" for value in values)
        path = self.folder / (name + self._suffix)
        with explained("write", path), path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())


def prepare(folder: Path, facts: Mapping[str, Any]) -> None:
    """Create a store, or check that an existing one is of the same evaluation and drop incomplete last lines.

    Raises ``UsageError`` where another model or other settings were evaluated, and ``StorageError`` for damage.
    """
    record = json.loads(json.dumps({"format": FORMAT, **facts}))
    path = folder / "evaluation.json"
    if path.exists():
        earlier = read_json(path)
        if "sampler" in record:
            earlier.setdefault("sampler", record["sampler"])  # stores of earlier versions do not record it
        differences = list(_differences(earlier, record))
        if differences:
            raise UsageError(
                Problem(
                    f"the store {folder} holds outputs of another evaluation: " + "; ".join(differences),
                    hint="name another folder, or evaluate as before",
                )
            )
    else:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"'{folder}' is not a store of an evaluation: expected a new or empty folder, or one")
        write_json(path, record)
    for name in (_OUTPUTS, _LOSSES):
        for file in _files(folder, name):
            for _ in _lines(file, repair=True):
                pass


def shortened(items: list[str], most: int = 5) -> str:
    """The first items as a text."""
    return ", ".join(f"'{item}'" for item in items[:most]) + (", …" if len(items) > most else "")


_HINT = "delete its line, and it is drawn again"


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            inner = f"{path}.{name}" if path else name
            if name not in now or name not in before:
                yield f"{inner} was {_short(before[name])}, now unset" if name in before else f"{inner} was unset"
            else:
                yield from _differences(before[name], now[name], inner)
    elif before != now:
        yield f"{path} was {_short(before)}, now {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def _files(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}.jsonl")) + sorted(folder.glob(f"{name}.*.jsonl"))


def _by_item(folder: Path, name: str, kind: type[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in _files(folder, name):
        for number, line in _lines(path):
            try:
                value = structured(line, kind)
            except ValueError as error:
                raise _damaged(path, number, str(error)) from None
            if value.item in values:
                raise _damaged(path, number, f"'{value.item}' is stored a second time")
            values[value.item] = value
    return values


def _lines(path: Path, *, repair: bool = False) -> Iterator[tuple[int, Any]]:
    """The objects of a file by the numbers of their lines, without a last line that is damaged.

    ``repair``: such a line is cut off. Raises ``StorageError`` for other damage.
    """
    with explained("read", path), path.open("rb") as file:
        end = 0
        for number, line in enumerate(file, start=1):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("it is not complete")
                value = parse_json(line)
            except ValueError as error:
                if file.read(1):
                    raise _damaged(path, number, str(error)) from None
                break
            end += len(line)
            yield number, value
    if repair and end < path.stat().st_size:
        with explained("write", path):
            os.truncate(path, end)


def _damaged(path: Path, number: int, reason: str) -> StorageError:
    hint = "delete the line, and its output is computed again"
    return StorageError(Problem(f"the line is damaged: {reason}", origin=Origin(str(path), number), hint=hint))
