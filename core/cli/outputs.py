"""Files that commands make: never over one that is there, and never half of one."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path

from ..errors import UsageError

_LONGEST_STEM = 60


def ready_folder(path: Path) -> Path:
    """Make the folder if need be, and see that files can be written into it before anything takes time.

    Raises ``UsageError`` where the path is a file; ``OSError`` where the system refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"'{path}' is a file or lies below one; --out names a folder") from None
    with tempfile.TemporaryFile(dir=path):
        pass
    return path


def stem_of(text: str) -> str:
    """A file name that says what the text says: "A red circle!" becomes ``a-red-circle``."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return words[:_LONGEST_STEM].rstrip("-") or "picture"


def write_new(folder: Path, stem: str, suffix: str, data: bytes, *, numbered: bool = True) -> Path:
    """Write the bytes to ``STEM-NUMBER.SUFFIX`` with the first number that is free, and give the path.

    Without ``numbered`` the first one has no number. A file that cannot be written whole is removed.
    """
    number = 1
    while True:
        name = stem if number == 1 and not numbered else f"{stem}-{number:03d}"
        path = folder / f"{name}.{suffix}"
        try:
            file = path.open("xb")
        except FileExistsError:
            number += 1
            continue
        try:
            with file:
                file.write(data)
        except BaseException as error:
            with contextlib.suppress(OSError):
                path.unlink()
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)  # so that the command line can say which file it was
            raise
        return path
