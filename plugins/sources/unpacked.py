"""Compressed shards, decompressed once into a folder that the user names, since random access needs plain files.

One process decompresses and the others wait for it, so that all processes of a training run open the same shards. A
damaged shard is decompressed up to the damage, and is a truncated shard from then on.
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

_COMPRESSIONS: dict[bytes, tuple[str, Callable[[Path], Any] | None]] = {
    b"\x1f\x8b": ("gunzip", gzip.open),
    b"BZh": ("bunzip2", bz2.open),
    b"\xfd7zXZ": ("unxz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("unzstd", None),  # Python has no reader before 3.14
}
"""First bytes of compressed files -> the tool that decompresses them, and the function that opens them."""

_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
_PART = 1 << 20


def unpacked(path: Path, folder: Path | None) -> Path:
    """The path of the decompressed shard: its own where it is not compressed, else one in the folder.

    Raises:
        UsageError: it is compressed and there is no folder, or it cannot be decompressed here.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(6)
    compression = next((kind for magic, kind in _COMPRESSIONS.items() if head.startswith(magic)), None)
    if compression is None:
        return path
    tool, opener = compression
    if folder is None or opener is None:
        hint = f"decompress it with {tool}"
        if opener is not None:
            hint += ', or set unpacked = "FOLDER" to have janiform decompress it once'
        raise UsageError(Problem(f"'{path}' is compressed, and shards are read in random order", hint=hint))
    status = path.stat()
    key = hashlib.sha256(os.fsencode(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")).hexdigest()
    target = folder / f"{path.name.partition('.')[0]}-{key[:16]}.tar"
    if not target.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(target.with_suffix(".lock")):
                for leftover in folder.glob(f"{target.stem}.*.part"):  # of a process that was killed
                    leftover.unlink()
                if not target.exists():
                    _decompress(path, opener, target)
        except OSError as error:
            raise UsageError(f"'{path}' cannot be decompressed to '{target}': {error.strerror}") from None
    return target


def _decompress(path: Path, opener: Callable[[Path], Any], target: Path) -> None:
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        with opener(path) as source, part.open("wb") as stream:
            with contextlib.suppress(*_DAMAGED):
                while data := source.read1(_PART):  # read would discard what was decompressed before the damage
                    stream.write(data)
            if not stream.tell():
                raise UsageError(f"'{path}' is compressed, and damaged from its first byte on")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock among processes."""
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
