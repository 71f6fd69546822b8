"""``model.json`` of a model folder: provenance, and the digests of the files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import StorageError
from .atomic import explained
from .digest import digest_of, file_digest
from .json_files import read_json, structured
from .weight_files import WeightFiles

_TYPES: dict[str, Any] = {"scores": dict[str, dict[str, Any]], "seconds": float, "samples": dict[str, int]}
"""The types of facts that commands compute with."""

_OF_FILES = ("janiform", "recipe", "weights", "parameters")
"""The facts that ``write_model`` makes itself."""

_DIGESTED_BYTES = 256 << 20
"""Weights up to this size are checked by their digest; larger ones by size and header only."""


def about(folder: Path) -> dict[str, Any]:
    """The contents of ``model.json``; empty where there is none. Raises ``StorageError`` where it is damaged."""
    path = folder / "model.json"
    facts = read_json(path, missing_ok=True)
    for name, kind in _TYPES.items():
        try:
            if name in facts:
                structured(facts[name], kind)
        except ValueError as error:
            raise StorageError(f"{path} is damaged: '{name}' {error}") from error
    return facts


def kept_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts about a model that stay true of a copy of it in other files."""
    return {name: fact for name, fact in facts.items() if name not in _OF_FILES}


def check_whole(files: WeightFiles, recorded: Any) -> None:
    """Raise ``StorageError`` where files are not those that ``model.json`` records."""
    if not isinstance(recorded, dict):
        return
    each = {files.files[0].name: recorded} if len(files.files) == 1 else recorded.get("files")
    total = 0
    for path in files.files:
        record = each.get(path.name) if isinstance(each, dict) else None
        if not isinstance(record, dict):
            continue
        with explained("read", path):
            size = path.stat().st_size
            total += size
            if size != record.get("bytes"):
                raise StorageError(
                    f"{path} has {size} bytes, expected {record.get('bytes')}: it is truncated or was replaced"
                )
            if total <= _DIGESTED_BYTES and file_digest(path) != record.get("sha256"):
                raise StorageError(f"{path} was altered: its digest differs from the one in model.json")


def recorded(files: list[Path]) -> dict[str, Any]:
    """The record of the files of weights for ``model.json``: size and digest of all, and of each of several."""
    each = {file.name: {"bytes": file.stat().st_size, "sha256": file_digest(file)} for file in files}
    digest = digest_of({name: str(record["sha256"]) for name, record in each.items()})
    whole = {"bytes": sum(file.stat().st_size for file in files), "sha256": digest}
    return whole if len(files) == 1 else {**whole, "files": each}
