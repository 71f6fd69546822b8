"""Pictures of benchmarks, which stay in their files until a model looks at them, so that memory does not grow."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from janiform import PictureError, Problem, UsageError

_SHOWN = 10
"""The most missing pictures that an error lists."""

_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\x00", b"MM\x00*", b"P4", b"P5", b"P6",
    b"\x00\x00\x00\x0cjP", b"\xff\x4f\xff\x51",
)  # fmt: skip


@frozen
class StoredPicture:
    """A picture in a file of its own, or in base64 in a cell of a table.

    It is an open file to ``janiform.read_picture``, and may be read again and again. ``name`` is what errors call it,
    ``key`` is its path, or the digest of its cell, so that pictures with equal keys are equal.
    """

    key: str
    name: str = field(eq=False)
    path: Path = field(eq=False)
    start: int = field(default=0, eq=False)
    length: int | None = field(default=None, eq=False)

    def read(self, size: int = -1) -> bytes:
        """The first ``size`` bytes of the picture, all where it is negative. Raises ``PictureError``."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                data = file.read(size if self.length is None else self.length)
        except OSError as error:
            raise PictureError(f"{self.name} cannot be read: {error.strerror}") from None
        if self.length is None:
            return data
        try:
            decoded = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise PictureError(f"{self.name} is not valid base64: {error}") from None
        return decoded if size < 0 else decoded[:size]


def looks_like_picture(data: bytes) -> bool:
    """Whether the first bytes of a file are those of a picture; ``data`` has at least twelve where the file has."""
    return data.startswith(_MAGIC) or data[4:8] == b"ftyp"


def described_pictures(pictures: Iterable[Any]) -> dict[str, Any]:
    """The record of pictures that have files of their own, by their names and sizes alone, since reading gigabytes of
    them takes minutes; empty where there are none."""
    files = [picture.path for picture in pictures if isinstance(picture, StoredPicture) and picture.length is None]
    if not files:
        return {}
    sizes = sorted((path.name, path.stat().st_size) for path in files)
    lines = "".join(f"{name} {size}\n" for name, size in sizes).encode("utf-8", "surrogateescape")
    total = sum(size for _, size in sizes)
    digest = hashlib.sha256(lines).hexdigest()
    return {"picture_files": {"files": len(files), "bytes": total, "names_and_sizes_sha256": digest}}


class PictureFolders:
    """The pictures in the first of some folders that holds them, by their names in the data."""

    def __init__(self, folders: Sequence[Path], suffixes: Sequence[str] = ("",)) -> None:
        self.folders = [folder for folder in dict.fromkeys(folders) if folder.is_dir()]
        self._asked = list(dict.fromkeys(folders))
        self._suffixes = suffixes
        self._found: dict[str, StoredPicture | None] = {}

    def find(self, name: str) -> StoredPicture | None:
        """The picture of a name, or None where it is missing; the same object for the same name.

        ``suffixes`` are tried in turn, for data that name pictures without their extension.
        Raises ``UsageError`` for a name that leads out of the folders.
        """
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def check(self, missing: Iterable[str], *, allowed: bool) -> int:
        """The number of missing pictures. Raises ``UsageError`` with the first ones, unless they are allowed to be."""
        names = sorted(set(missing))
        if names and not allowed:
            listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
            where = " or ".join(f"'{folder}'" for folder in self._asked)
            count = "1 picture is" if len(names) == 1 else f"{len(names)} pictures are"
            hint = "set images to their folder, or allow_missing=true to leave their questions out"
            raise UsageError(Problem(f"{count} missing in {where}: {listed}", hint=hint))
        return len(names)

    def _search(self, name: str) -> StoredPicture | None:
        relative = Path(name)
        if not name.strip() or "\0" in name or relative.is_absolute() or ".." in relative.parts:
            raise UsageError(
                f"{name!r} is not a valid name of a picture: expected a path inside the folder of pictures"
            )
        for folder in self.folders:
            for suffix in self._suffixes:
                path = folder / f"{name}{suffix}"
                if path.is_file():
                    return StoredPicture(os.fspath(path), f"'{path}'", path)
        return None
