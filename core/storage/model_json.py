"""``model.json`` of a model folder: provenance, and the digests of the files of weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import StorageError
from .atomic import explained
from .digest import digest_of, file_digest
from .weight_files import WeightFiles

_DIGESTED_BYTES = 256 << 20
"""Larger weights are not read twice to check their digest; their size and header are checked always."""


def about(folder: Path) -> dict[str, Any]:
    """What ``model.json`` says; empty where there is none. Raises ``StorageError`` where it is damaged."""
    path = folder / "model.json"
    with explained("read", path):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StorageError(f"{path} is damaged: {error}") from error
    if not isinstance(said, dict):
        raise StorageError(f"{path} is damaged: it does not hold a table")
    return said


def check_whole(files: WeightFiles, recorded: Any) -> None:
    """Refuse files that are not those that ``model.json`` was written for."""
    if not isinstance(recorded, dict):
        return
    each = {files.files[0].name: recorded} if len(files.files) == 1 else recorded.get("files")
    total = 0
    for path in files.files:
        said = each.get(path.name) if isinstance(each, dict) else None
        if not isinstance(said, dict):
            continue
        with explained("read", path):
            size = path.stat().st_size
            total += size
            if size != said.get("bytes"):
                raise StorageError(
                    f"{path} has {size} bytes where {said.get('bytes')} were written: it is truncated or another file"
                )
            if total <= _DIGESTED_BYTES and file_digest(path) != said.get("sha256"):
                raise StorageError(f"{path} was altered: its digest is not the one that model.json records")


def recorded(files: list[Path]) -> dict[str, Any]:
    """What ``model.json`` says of the files of weights; of several also what each of them is."""
    each = {file.name: {"bytes": file.stat().st_size, "sha256": file_digest(file)} for file in files}
    digest = digest_of({name: str(said["sha256"]) for name, said in each.items()})
    whole = {"bytes": sum(file.stat().st_size for file in files), "sha256": digest}
    return whole if len(files) == 1 else {**whole, "files": each}
