"""Samples in tar shards, found once by the headers of the members and read one at a time, at random.

A sample is what follows one another in a shard under one name up to its first dot, as WebDataset has it
(https://github.com/webdataset/webdataset): ``0001.jpg``, ``0001.txt``. Only the places of members are kept in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from attrs import evolve, frozen
from janiform import Problem, SampleError, UsageError
from numpy.typing import NDArray

from .paths import raise_all
from .unpacked import unpacked

MAX_MEMBER_BYTES = 128 << 20
_REMEMBERED_BYTES = 64 << 20
"""Headers of smaller shards are read again quicker than it pays to remember them."""

_DAMAGED = "damaged shard"


@frozen(eq=False)
class Index:
    """Where the samples of one shard lie.

    ``firsts``: of each sample, the number of its first member, and behind them the number of members. ``offsets`` and
    ``sizes`` in bytes, ``endings`` as numbers into ``names``. ``damage``: the byte from which on the shard cannot be
    read, -1 where it is whole; a last sample without a member stands for what is lost then.
    """

    firsts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    endings: NDArray[np.int32]
    names: NDArray[np.str_]
    damage: int = -1


@frozen
class Member:
    """One file of a sample: its ending after the first dot, in lower case, and its place in the shard."""

    ending: str
    path: Path
    offset: int
    size: int

    @property
    def name(self) -> str:
        """For sentences: the shard and the member's name, which is read from its header."""
        with contextlib.suppress(OSError, tarfile.TarError):
            with self.path.open("rb") as stream:
                stream.seek(self.offset - tarfile.BLOCKSIZE)
                header = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
            return f"{self.path}: {header.name}"
        return f"{self.path}: a .{self.ending}"

    def read(self) -> bytes:
        """The bytes. Raises ``SampleError`` where they are not there, or too many."""
        if self.size > MAX_MEMBER_BYTES:
            message = f"{self.name} has {self.size >> 20} MiB; members of up to {MAX_MEMBER_BYTES >> 20} MiB are read"
            raise SampleError(message, "huge member")
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.offset)
                data = stream.read(self.size)
        except OSError as error:
            raise SampleError(f"{self.path}: cannot be read: {error.strerror}", "unreadable file") from None
        if len(data) < self.size:
            raise SampleError(f"{self.name} is truncated: {len(data)} of its {self.size} bytes are there", _DAMAGED)
        return data


class Shards:
    """The samples of several shards in order.

    Args:
        folder: into which compressed shards are decompressed; without one they are refused.

    Raises:
        UsageError: with every file that is no tar, is compressed, or cannot be read.
    """

    def __init__(self, files: Sequence[Path], folder: Path | None = None) -> None:
        self.files: list[Path] = []
        self._indices: list[Index] = []
        problems: list[Problem] = []
        for path in files:
            try:
                shard = unpacked(path, folder)
                self._indices.append(remembered(shard))
                self.files.append(shard)
            except UsageError as error:
                problems += error.problems
            except OSError as error:
                problems.append(Problem(f"'{path}' cannot be read: {error.strerror}"))
        raise_all(problems)
        self._ends = np.cumsum([len(index.firsts) - 1 for index in self._indices])
        if not len(self):
            raise UsageError("the shards hold no sample: " + ", ".join(f"'{path}'" for path in files[:3]))

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def endings(self) -> set[str]:
        """All endings of members, in lower case."""
        return {str(name) for index in self._indices for name in index.names}

    def sample(self, number: int) -> list[Member]:
        """The members of a sample in their order. Raises ``SampleError`` where it stands for a shard's damaged end."""
        which = int(np.searchsorted(self._ends, number, side="right"))
        index, path = self._indices[which], self.files[which]
        row = number - (int(self._ends[which - 1]) if which else 0)
        members = range(int(index.firsts[row]), int(index.firsts[row + 1]))
        if not members:
            message = f"{path} is damaged at byte {index.damage}: what followed its {row} samples is lost"
            raise SampleError(message, _DAMAGED)
        return [
            Member(str(index.names[index.endings[n]]), path, int(index.offsets[n]), int(index.sizes[n]))
            for n in members
        ]


def remembered(path: Path) -> Index:
    """The index of a shard; that of a large one is kept in the user's cache as long as size and time stay the same."""
    status = path.stat()
    if status.st_size < _REMEMBERED_BYTES:
        return indexed(path)
    key = f"1 {path.resolve()} {status.st_size} {status.st_mtime_ns}"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "janiform" / "shards"
    place = folder / f"{hashlib.sha256(os.fsencode(key)).hexdigest()}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError), np.load(place, allow_pickle=False) as kept:
        index = Index(*(kept[name] for name in ("firsts", "offsets", "sizes", "endings", "names")))
        return evolve(index, damage=int(kept["damage"]))
    index = indexed(path)
    with contextlib.suppress(OSError):  # where nothing can be kept, the headers are read again the next time
        folder.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}.npz")
        np.savez(part, firsts=index.firsts, offsets=index.offsets, sizes=index.sizes, endings=index.endings,
                 names=index.names, damage=index.damage)  # fmt: skip
        part.replace(place)
    return index


def indexed(path: Path) -> Index:
    """The index of a shard, by one look at each header. Raises ``UsageError`` where the file is no tar."""
    firsts: list[int] = []
    offsets: list[int] = []
    sizes: list[int] = []
    endings: list[int] = []
    names: dict[str, int] = {}
    before = None
    members = _members(path)
    damage = -1
    while damage < 0:
        try:
            member = next(members)
        except StopIteration as end:
            damage = -1 if end.value is None else end.value
            break
        name = PurePosixPath(member.name)
        stem, _, ending = name.name.partition(".")
        if not member.isreg() or not stem or not ending:  # folders, links, hidden files
            continue
        if before != (name.parent, stem):
            before = (name.parent, stem)
            firsts.append(len(offsets))
        offsets.append(member.offset_data)
        sizes.append(member.size)
        endings.append(names.setdefault(ending.lower(), len(names)))
    if damage >= 0:
        firsts.append(len(offsets))
    return Index(
        np.array([*firsts, len(offsets)], np.int64),
        np.array(offsets, np.int64),
        np.array(sizes, np.int64),
        np.array(endings, np.int32),
        np.array(list(names), np.str_),
        damage,
    )


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The members of a tar; returns the byte at which it turns out to be damaged, or None."""
    with path.open("rb") as stream:
        head = stream.read(1)
        stream.seek(0)
        try:
            tar = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - closes no more than the stream, which is closed
        except tarfile.TarError as error:
            reason = "it is empty" if not head else str(error)
            raise UsageError(f"'{path}' is no tar file: {reason}") from None
        size = path.stat().st_size
        while True:
            place = tar.offset
            try:
                member = tar.next()
            except (tarfile.TarError, ValueError, OverflowError):
                return min(place, size)
            tar.members.clear()  # it would keep them all
            if member is None:
                break
            yield member
            if member.offset_data + member.size > size:
                return size
        # tarfile takes a header that it cannot read for the end; a real end is zeros, or that of the file.
        stream.seek(place)
        return place if stream.read(tarfile.BLOCKSIZE).strip(b"\0") else None
