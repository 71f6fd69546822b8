"""Atomic writes: files and folders that appear whole or not at all.

Everything is written under a temporary name in the same folder, synced to the disk and then renamed, so that a full
disk, a missing permission or a killed process leaves what was there before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ..errors import StorageError
from ..untrusted_text import storable

Writer = Callable[[Path], object]
"""Writes one file at a path."""

PREFIX = ".writing-"
"""Prefix of the names of unfinished files and folders; those that a killed process left may be deleted."""


@contextlib.contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn the system's errors during an ``action`` on ``path`` into a ``StorageError``."""
    try:
        yield
    except Exception as error:
        # The class of safetensors is recognised by its name, without importing the library.
        if not isinstance(error, OSError | RuntimeError) and type(error).__name__ != "SafetensorError":
            raise
        cause = _system_error(error)
        if cause is None and isinstance(error, RuntimeError):
            raise
        raise StorageError(f"could not {action} {path}: {_reason(cause, error)}") from error


def write_text(path: Path, text: str) -> None:
    """Replace the file by a text in UTF-8."""
    write_files(path.parent, {path.name: text_writer(text)})


def text_writer(text: str) -> Writer:
    """Writes a text as UTF-8; what UTF-8 cannot hold is written as escapes."""
    return lambda path: path.write_text(storable(text), encoding="utf-8", newline="\n")


def write_files(folder: Path, writers: Mapping[str, Writer], *, withdraw: str | None = None) -> None:
    """Replace several files of a folder together; the folder is created if needed.

    Nothing is replaced before all are on the disk. ``withdraw`` names a file that describes the others: it is deleted
    before the first of them is replaced, so that it never describes files that it was not written for.
    """
    with explained("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _staging(folder) as staging:
            for name, write in writers.items():
                write(staging / name)
                _sync(staging / name)
            if withdraw is not None:
                (folder / withdraw).unlink(missing_ok=True)
            for name in writers:
                # A folder made by mkdtemp is private; the files in it get the user's usual permissions already.
                (staging / name).replace(folder / name)
            _sync(folder)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all. Raises ``FileExistsError`` where there is one, and ``OSError``."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    with _staging(path.parent) as staging:
        part = staging / "file"
        part.write_bytes(data)
        _sync(part)
        try:
            os.link(part, path)  # in contrast to renaming, this never replaces a file
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            with path.open("xb"):
                part.replace(path)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A new folder, which gets the name ``path`` when the block ends without an error; an older one is replaced."""
    with explained("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _staging(path.parent) as staging:
            yield staging
            for file in sorted(staging.rglob("*")):
                _sync(file)
            _sync(staging)
            staging.chmod(0o777 & ~_umask())
            if path.exists():
                shutil.rmtree(path)
            staging.replace(path)
            _sync(path.parent)


def sweep(folder: Path) -> None:
    """Delete the unfinished folders that killed processes left in a folder; those of running processes stay."""
    for leftover in folder.glob(PREFIX + "*"):
        with contextlib.suppress(OSError), locked(leftover) as unused:
            if unused:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A new folder in ``folder`` for unfinished files, after those that killed processes left are deleted.

    It is locked until it is deleted; the system releases the lock of a process that is killed.
    """
    sweep(folder)
    while True:
        staging = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        with locked(staging) as held:
            if not held or not staging.exists():  # another process swept it before it was locked
                continue
            try:
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            return


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Lock a folder among processes; whether that succeeded. Where the system cannot, it counts as locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield os.name == "nt"  # which cannot open folders
        return
    try:
        held = True
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held = False
            except OSError:  # a file system without locks
                held = True
        yield held
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _system_error(error: BaseException | None) -> OSError | None:
    """The system's error in the chain of causes of an error."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _reason(cause: OSError | None, error: BaseException) -> str:
    if cause is None:
        text = str(error)
        return "the disk is full" if "No space left" in text else text
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    if cause.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "permission denied"
    return cause.strerror or str(cause)
