"""Samples in tar shards: indexed once by the headers of the members, then read one at a time in any order.

A sample is a sequence of members with the same name up to the first dot, as in WebDataset
(https://github.com/webdataset/webdataset): ``0001.jpg``, ``0001.txt``. Memory holds only the positions of members.

A name may come again later in a shard with the same extensions: these are two samples. Where one comes twice in
succession, or comes again with other extensions, it cannot be told which members belong together.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

import numpy as np
from attrs import evolve, frozen
from janiform import Problem, SampleError, UsageError
from numpy.typing import NDArray

from .paths import raise_all
from .unpacked import unpacked

MAX_MEMBER_BYTES = 128 << 20
_LARGEST = 1 << 62
"""Size that is stored for larger ones, which headers may announce."""

_CACHED_BYTES = 64 << 20
"""Minimum size of a shard whose index is cached; the headers of smaller ones are read faster than a cache."""

_NAME_BLOCKS = 12
"""Number of blocks before a member's content in which the header of its name is looked for."""

_DAMAGED = "damaged shard"

Split = Literal["first", "last"]
"""The dot at which a name is split into that of the sample and the extension."""

_REPEATED, _SCATTERED = 1, 2
_FLAWS = {
    _REPEATED: "the shard has several members of one name for this sample",
    _SCATTERED: "members of this name stand at several places of the shard, and they differ in their extensions",
}
"""Why it cannot be told which members belong to a sample."""


@frozen(eq=False)
class Index:
    """The positions of the samples of one shard.

    ``firsts``: number of each sample's first member, then the number of members. ``offsets`` and ``sizes`` are in
    bytes, and -1 is the size of a sparse file; ``endings`` are indices into ``names``. ``flaws`` are 0 for samples that
    can be used. ``damage``: byte from which the shard cannot be read, -1 where it is intact; a last sample without
    members then stands for the lost ones.
    """

    firsts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    endings: NDArray[np.int32]
    names: NDArray[np.str_]
    flaws: NDArray[np.int8]
    damage: int = -1


@frozen
class Member:
    """One file of a sample: its extension after the first dot, in lower case, and its position in the shard."""

    extension: str
    path: Path
    offset: int
    size: int

    @property
    def name(self) -> str:
        """The shard and the member's name, which is read from its header, for messages."""
        with contextlib.suppress(OSError, tarfile.TarError):
            with self.path.open("rb") as stream:
                name = _extended_name(stream, self.offset)
                if name is None:
                    stream.seek(self.offset - tarfile.BLOCKSIZE)
                    header = stream.read(tarfile.BLOCKSIZE)
                    name = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").name
            return f"{self.path}: {name}"
        return f"{self.path}: a .{self.extension}"

    def read(self) -> bytes:
        """The bytes. Raises ``SampleError`` where they are incomplete or too many."""
        if self.size < 0:
            raise SampleError(f"{self.name} is stored as a sparse file, in pieces that are not read", "sparse member")
        if self.size > MAX_MEMBER_BYTES:
            message = f"{self.name} has {self.size >> 20} MiB; the limit is {MAX_MEMBER_BYTES >> 20} MiB"
            raise SampleError(message, "huge member")
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.offset)
                data = stream.read(self.size)
        except OSError as error:
            raise SampleError(f"{self.path}: cannot be read: {error.strerror}", "unreadable file") from None
        if len(data) < self.size:
            raise SampleError(f"{self.name} is truncated: {len(data)} of its {self.size} bytes are present", _DAMAGED)
        return data


class Shards:
    """The samples of several shards in order.

    Args:
        folder: folder for decompressed shards; without one, compressed shards are refused.

    Raises:
        UsageError: files are not tar files, are compressed, or cannot be read; all are listed.
    """

    def __init__(self, files: Sequence[Path], folder: Path | None = None, split: Split = "first") -> None:
        self.files: list[Path] = []
        self._indices: list[Index] = []
        problems: list[Problem] = []
        for path in files:
            try:
                shard = unpacked(path, folder)
                self._indices.append(cached_index(shard, split))
                self.files.append(shard)
            except UsageError as error:
                problems += error.problems
            except OSError as error:
                problems.append(Problem(f"'{path}' cannot be read: {error.strerror}"))
        raise_all(problems)
        self._ends = np.cumsum([len(index.firsts) - 1 for index in self._indices])
        if not len(self):
            raise UsageError("the shards hold no samples: " + ", ".join(f"'{path}'" for path in files[:3]))

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def extensions(self) -> set[str]:
        """All extensions of members, in lower case."""
        return {str(name) for index in self._indices for name in index.names}

    def sample(self, number: int) -> list[Member]:
        """The members of a sample in order.

        Raises ``SampleError`` for the lost samples of a damaged shard, and where the members of a sample are uncertain.
        """
        which = int(np.searchsorted(self._ends, number, side="right"))
        index, path = self._indices[which], self.files[which]
        row = number - (int(self._ends[which - 1]) if which else 0)
        members = range(int(index.firsts[row]), int(index.firsts[row + 1]))
        if not members:
            message = f"{path} is damaged at byte {index.damage}: all after its {row} samples is lost"
            raise SampleError(message, _DAMAGED)
        sample = [
            Member(str(index.names[index.endings[n]]), path, int(index.offsets[n]), int(index.sizes[n]))
            for n in members
        ]
        if index.flaws[row]:
            reason = f"{_FLAWS[int(index.flaws[row])]}, so it cannot be told which belong together"
            raise SampleError(f"{sample[0].name}: {reason}", "ambiguous sample")
        return sample


def cached_index(path: Path, split: Split = "first") -> Index:
    """The index of a shard; large ones are cached in the user's cache folder, by path, size and modification time."""
    status = path.stat()
    if status.st_size < _CACHED_BYTES:
        return indexed(path, split)
    key = f"3 {split} {path.resolve()} {status.st_size} {status.st_mtime_ns}"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "janiform" / "shards"
    file = folder / f"{hashlib.sha256(os.fsencode(key)).hexdigest()}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError), np.load(file, allow_pickle=False) as kept:
        index = Index(*(kept[name] for name in ("firsts", "offsets", "sizes", "endings", "names", "flaws")))
        return evolve(index, damage=int(kept["damage"]))
    index = indexed(path, split)
    with contextlib.suppress(OSError):  # without a writable cache, the headers are read again next time
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.npz")
        np.savez(part, firsts=index.firsts, offsets=index.offsets, sizes=index.sizes, endings=index.endings,
                 names=index.names, flaws=index.flaws, damage=index.damage)  # fmt: skip
        part.replace(file)
    return index


def indexed(path: Path, split: Split = "first") -> Index:
    """The index of a shard, from the header of each member. Raises ``UsageError`` for a file that is not a tar file."""
    firsts: list[int] = []
    offsets: list[int] = []
    sizes: list[int] = []
    endings: list[int] = []
    names: dict[str, int] = {}
    before = None
    rows: dict[str, list[int]] = defaultdict(list)
    members = _members(path)
    damage = -1
    while damage < 0:
        try:
            member = next(members)
        except StopIteration as end:
            damage = -1 if end.value is None else end.value
            break
        name = PurePosixPath(member.name)
        stem, _, ending = name.name.partition(".") if split == "first" else name.name.rpartition(".")
        if not member.isreg() or name.name.startswith(".") or not stem or not ending:  # folders, links, hidden files
            continue
        key = f"{name.parent}/{stem}"
        if before != key:
            before = key
            rows[key].append(len(firsts))
            firsts.append(len(offsets))
        offsets.append(member.offset_data)
        sizes.append(-1 if member.issparse() else min(member.size, _LARGEST))
        endings.append(names.setdefault(ending.lower(), len(names)))
    if damage >= 0:
        firsts.append(len(offsets))
    firsts.append(len(offsets))
    return Index(
        np.array(firsts, np.int64),
        np.array(offsets, np.int64),
        np.array(sizes, np.int64),
        np.array(endings, np.int32),
        np.array(list(names), np.str_),
        _flaws(firsts, endings, rows.values()),
        damage,
    )


def _flaws(firsts: Sequence[int], endings: Sequence[int], rows: Iterable[Sequence[int]]) -> NDArray[np.int8]:
    """The flaw of each sample; ``rows`` are the numbers of the samples of each name."""
    flaws = np.zeros(len(firsts) - 1, np.int8)
    extensions = [endings[start:stop] for start, stop in pairwise(firsts)]
    for number, present in enumerate(extensions):
        if len(set(present)) < len(present):
            flaws[number] = _REPEATED
    for numbers in rows:
        if len(numbers) > 1 and len({frozenset(extensions[number]) for number in numbers}) > 1:
            flaws[list(numbers)] = np.maximum(flaws[list(numbers)], _SCATTERED)
    return flaws


def _extended_name(stream: BinaryIO, offset: int) -> str | None:
    """The name of the member whose content begins at ``offset``, if headers before its own hold it.

    Names that are long or not ASCII stand there (PAX, GNU); its own header has them cut or with question marks.
    """
    for blocks in range(3, _NAME_BLOCKS + 1):  # the header of the name, the name, the member's own header
        start = offset - blocks * tarfile.BLOCKSIZE
        if start < 0:
            break
        stream.seek(start)
        with contextlib.suppress(tarfile.TarError, ValueError):
            header = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
            stream.seek(start)
            if header.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
                member = tarfile.open(fileobj=stream, mode="r:").next()  # noqa: SIM115 - the stream is closed elsewhere
                if member is not None and member.offset_data == offset:
                    return member.name
    return None


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The members of a tar file; returns the byte at which it is damaged, or None."""
    with path.open("rb") as stream:
        head = stream.read(1)
        stream.seek(0)
        try:
            tar = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - closing it would only close the stream, which is closed here
        except tarfile.TarError as error:
            reason = "it is empty" if not head else str(error)
            raise UsageError(f"'{path}' is not a tar file: {reason}") from None
        size = path.stat().st_size
        while True:
            position = tar.offset
            try:
                member = tar.next()
            except (tarfile.TarError, ValueError, OverflowError):
                return min(position, size)
            tar.members.clear()  # tarfile would keep all of them in memory
            if member is None:
                break
            if tar.offset < member.offset_data or (member.size < 0 and not member.issparse()):
                return min(position, size)
            yield member
            if not member.issparse() and member.offset_data + member.size > size:
                return size
        # tarfile treats an unreadable header as the end; a real end is zeros, or the end of the file.
        stream.seek(position)
        return position if stream.read(tarfile.BLOCKSIZE).strip(b"\0") else None
