"""What the sources of a run hold, kept beside its recipe, so that one which is resumed notices other data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cattrs
from attrs import asdict

from ...contracts import Contents, Source
from ...errors import Problem, StorageError, UsageError
from ...storage.atomic import explained, write_files

FILE = "sources.json"


def contents_of(sources: Mapping[str, Source]) -> dict[str, Contents]:
    """By the names of those sources that say it."""
    asked = {name: getattr(source, "contents", None) for name, source in sources.items()}
    return {name: ask() for name, ask in asked.items() if ask is not None}


def compare(folder: Path, sources: Mapping[str, Source], read: Mapping[str, int]) -> list[str]:
    """Compare sources with what the run in a folder began with, and keep what they are now.

    Args:
        read: how many samples of each source the run has taken.

    Returns:
        Sentences about what differs and does no harm to the positions.

    Raises:
        UsageError: a source of which samples were taken has another number of samples, or other files, so that its
            position would point to other samples; with everything that differs.
        StorageError: the file is damaged, or cannot be written.
    """
    now, before = contents_of(sources), _kept(folder / FILE)
    differing = {
        name: _differences(before[name], now[name]) for name in now if before.get(name, now[name]) != now[name]
    }
    if lost := [name for name in differing if read.get(name) and not _in_place(before[name], now[name])]:
        said = f"the run in {folder} cannot go on: where it is in its data means nothing in other data"
        hint = "put back what was there; or begin a new run, with another --out"
        details = [
            Problem(f"{sentence}; {read[name]} samples of it were taken", f"source.{name}")
            for name in lost
            for sentence in differing[name]
        ]
        raise UsageError([Problem(said, hint=hint), *details])
    if now != before:
        text = json.dumps({name: asdict(contents) for name, contents in now.items()}, indent=1, ensure_ascii=False)
        write_files(folder, {FILE: partial(_write, text)})
    return [f"source.{name}: {sentence}" for name, said in differing.items() for sentence in said]


def _in_place(before: Contents, now: Contents) -> bool:
    """Whether a position points to the same place: as many samples, in the same files or in as many that are alike."""
    same = list(before.files) == list(now.files) or list(before.files.values()) == list(now.files.values())
    return before.samples == now.samples and same


def _differences(before: Contents, now: Contents) -> list[str]:
    found = []
    if before.samples != now.samples:
        found.append(f"had {before.samples} samples when the run began, and has {now.samples}")
    gone = [name for name in before.files if name not in now.files]
    new = [name for name in now.files if name not in before.files]
    changed = [name for name in now.files if before.files.get(name, now.files[name]) != now.files[name]]
    if gone:
        found.append(f"no longer has {_some(gone)}")
    if new:
        found.append(f"has {_some(new)}, which it had not")
    if changed:
        sizes = [f"{name} ({before.files[name]} {now.unit} before, {now.files[name]} now)" for name in changed]
        found.append(f"has changed {_some(sizes)}")
    return found


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _kept(path: Path) -> dict[str, Contents]:
    if not path.is_file():  # a run of an earlier version
        return {}
    with explained("read", path):
        try:
            said: Any = json.loads(path.read_text(encoding="utf-8"))
            return cattrs.structure(said, dict[str, Contents])
        except (ValueError, cattrs.BaseValidationError) as error:
            raise StorageError(
                f"{path} is damaged: {error}; without it, what the sources held is not compared"
            ) from error


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
