"""Digests of files; those of large files are remembered, since weights of many gigabytes take a while to read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import StorageError
from .atomic import write_text

_REMEMBERED_BYTES = 256 << 20
"""Smaller files are read again quicker than it takes to be sure of what is remembered."""


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(files: Sequence[Path]) -> str:
    """That of the only file, or ``digest_of`` the digests of several.

    A large file is not read again while its path, size and time of change are those that are remembered.
    """
    return digest_of({path.name: _known_digest(path) for path in files})


def digest_of(digests: Mapping[str, str]) -> str:
    """One of several files, by their names: that of the only one, or the SHA-256 of the lines ``name digest``."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _known_digest(path: Path) -> str:
    stat = path.stat()
    if stat.st_size < _REMEMBERED_BYTES:
        return file_digest(path)
    place, key, stamp = _memory(), str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
    known = _remembered(place)
    if isinstance(found := known.get(key), list) and found[:2] == stamp and isinstance(found[-1], str):
        return found[-1]
    digest = file_digest(path)
    with contextlib.suppress(OSError, StorageError):  # where nothing can be kept, the file is read again the next time
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps({**_remembered(place), key: [*stamp, digest]}, indent=1))
    return digest


def _memory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "janiform" / "digests.json"


def _remembered(place: Path) -> dict[str, Any]:
    try:
        known = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
