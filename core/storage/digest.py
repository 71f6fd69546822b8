"""Digests of files. Those of large files are cached, since weights of many gigabytes take a while to read."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import StorageError
from .json_files import read_json, write_json

_CACHED_BYTES = 256 << 20
"""Smallest file that is cached; reading a smaller one takes no longer than checking the cache."""


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(files: Sequence[Path]) -> str:
    """The digest of one file, or ``digest_of`` the digests of several.

    A large file is not read again while its path, size and time of change are those in the cache.
    """
    return digest_of({path.name: _cached_digest(path) for path in files})


def digest_of(digests: Mapping[str, str]) -> str:
    """One digest for files by their names: that of the only file, or the SHA-256 of the lines ``name digest``."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _cached_digest(path: Path) -> str:
    stat = path.stat()
    if stat.st_size < _CACHED_BYTES:
        return file_digest(path)
    cache, key, stamp = _cache_file(), str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
    entry = _read_cache(cache).get(key)
    if isinstance(entry, list) and entry[:2] == stamp and isinstance(entry[-1], str):
        return entry[-1]
    digest = file_digest(path)
    with contextlib.suppress(OSError, StorageError):  # without a cache the file is read again the next time
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_json(cache, {**_read_cache(cache), key: [*stamp, digest]})
    return digest


def _cache_file() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "janiform" / "digests.json"


def _read_cache(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, missing_ok=True)
    except StorageError:  # a damaged cache is written anew
        return {}
