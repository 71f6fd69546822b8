"""The contents of a run's sources, stored beside its recipe, so that a resumed run notices other data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict

from ...contracts import Contents, Source
from ...errors import Problem, StorageError, UsageError
from ...storage.atomic import write_text
from ...storage.json_files import read_json, structured

FILE = "sources.json"


def contents_of(sources: Mapping[str, Source]) -> dict[str, Contents]:
    """The contents of those sources that declare them, by name."""
    declared = {name: getattr(source, "contents", None) for name, source in sources.items()}
    return {name: contents() for name, contents in declared.items() if contents is not None}


def compare(folder: Path, sources: Mapping[str, Source], read: Mapping[str, int]) -> list[str]:
    """Compare sources with those the run in a folder began with, and store their contents.

    Args:
        read: how many samples of each source the run has taken.

    Returns:
        Sentences about differences that do not affect the positions.

    Raises:
        UsageError: a source that samples were taken from has another number of samples, or other files, so that its
            position would mean other samples; with all differences.
        StorageError: the file is damaged, or cannot be written.
    """
    now, before = contents_of(sources), _stored(folder / FILE)
    differing = {
        name: _differences(before[name], now[name]) for name in now if before.get(name, now[name]) != now[name]
    }
    if lost := [name for name in differing if read.get(name) and not _same_positions(before[name], now[name])]:
        message = f"the run in {folder} cannot be resumed: its positions in its data do not apply to other data"
        hint = "restore the data; or start a new run with another --out"
        details = [
            Problem(f"{sentence}; {read[name]} samples of it were taken", f"source.{name}")
            for name in lost
            for sentence in differing[name]
        ]
        raise UsageError([Problem(message, hint=hint), *details])
    if now != before:
        text = json.dumps({name: asdict(contents) for name, contents in now.items()}, indent=1, ensure_ascii=False)
        write_text(folder / FILE, text)
    return [f"source.{name}: {sentence}" for name, sentences in differing.items() for sentence in sentences]


def _same_positions(before: Contents, now: Contents) -> bool:
    """Whether positions mean the same samples: as many, in the same files or in renamed ones of the same sizes."""
    same = list(before.files) == list(now.files) or list(before.files.values()) == list(now.files.values())
    return before.samples == now.samples and same


def _differences(before: Contents, now: Contents) -> list[str]:
    differences = []
    if before.samples != now.samples:
        differences.append(f"had {before.samples} samples when the run began, and has {now.samples}")
    gone = [name for name in before.files if name not in now.files]
    new = [name for name in now.files if name not in before.files]
    changed = [name for name in now.files if before.files.get(name, now.files[name]) != now.files[name]]
    if gone:
        differences.append(f"no longer has {_some(gone)}")
    if new:
        differences.append(f"has new files: {_some(new)}")
    if changed:
        sizes = [f"{name} ({before.files[name]} {now.unit} before, {now.files[name]} now)" for name in changed]
        differences.append(f"has changed {_some(sizes)}")
    return differences


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _stored(path: Path) -> dict[str, Contents]:
    try:  # a run of an earlier version lacks the file
        return structured(read_json(path, missing_ok=True), dict[str, Contents])
    except (StorageError, ValueError) as error:
        raise StorageError(f"{path} is damaged: {error}; delete it to resume without comparing the sources") from error
