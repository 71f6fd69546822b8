"""Compressed shards: decompressed once into a folder that the user names, since a stream cannot be read at random.

One process decompresses and the others wait for it, so that all processes of a training can open the same shards. A
shard that is damaged is decompressed as far as that goes, and is a truncated one from then on.
"""

from __future__ import annotations

import bz2
import contextlib
import fcntl
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from janiform import Problem, UsageError

_KINDS: dict[bytes, tuple[str, Callable[[Path], Any] | None]] = {
    b"\x1f\x8b": ("gunzip", gzip.open),
    b"BZh": ("bunzip2", bz2.open),
    b"\xfd7zXZ": ("unxz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("unzstd", None),  # Python has no reader before 3.14
}
"""What compressed files begin with: the tool that decompresses them, and what opens them here."""

_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
_PART = 1 << 20


def unpacked(path: Path, folder: Path | None) -> Path:
    """The shard itself where it is not compressed, else its contents in the folder, decompressed if they are not there.

    Raises:
        UsageError: it is compressed and there is no folder, or it cannot be decompressed here.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(6)
    found = next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), None)
    if found is None:
        return path
    tool, opened = found
    if folder is None or opened is None:
        hint = f"decompress it with {tool}; pictures hardly shrink anyway"
        if opened is not None:
            hint += '. Or say where janiform may do it once: unpacked = "FOLDER"'
        raise UsageError(Problem(f"'{path}' is compressed, and shards are read at random", hint=hint))
    status = path.stat()
    key = hashlib.sha256(os.fsencode(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")).hexdigest()
    place = folder / f"{path.name.partition('.')[0]}-{key[:16]}.tar"
    if not place.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(place.with_suffix(".lock")):
                if not place.exists():
                    _decompress(path, opened, place)
        except OSError as error:
            raise UsageError(f"'{path}' cannot be decompressed to '{place}': {error.strerror}") from None
    return place


def _decompress(path: Path, opened: Callable[[Path], Any], place: Path) -> None:
    part = place.with_suffix(f".{os.getpid()}.part")
    try:
        with opened(path) as source, part.open("wb") as target:
            with contextlib.suppress(*_DAMAGED):
                while data := source.read1(_PART):  # what was decompressed before a damage, read would throw away
                    target.write(data)
            if not target.tell():
                raise UsageError(f"'{path}' is compressed, and damaged from its beginning on")
            target.flush()
            os.fsync(target.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process does this."""
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
