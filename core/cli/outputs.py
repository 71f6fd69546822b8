"""Output files of commands: existing files are never replaced, and no file is left incomplete."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ..errors import UsageError
from ..storage import atomic

_LONGEST_STEM = 60


def ready_folder(path: Path) -> Path:
    """Create the folder if needed, and check that files can be written to it, before any long work.

    Raises ``UsageError`` where the path is a file; ``OSError`` where the system refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"--out must be a folder, but '{path}' is a file or below one") from None
    with tempfile.TemporaryFile(dir=path):
        pass
    atomic.sweep(path)  # a process that was killed while it wrote leaves unfinished files
    return path


def stem_of(text: str) -> str:
    """A file name made of a text: "A red circle!" becomes ``a-red-circle``."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return words[:_LONGEST_STEM].rstrip("-") or "picture"


def write_new(folder: Path, stem: str, suffix: str, data: bytes, *, numbered: bool = True) -> Path:
    """Write the bytes to ``STEM-NUMBER.SUFFIX`` with the first free number, and return the path.

    Without ``numbered`` the first one has no number. A file appears whole or not at all.
    """
    number = 1
    while True:
        name = stem if number == 1 and not numbered else f"{stem}-{number:03d}"
        path = folder / f"{name}.{suffix}"
        try:
            atomic.write_new(path, data)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            error.filename, error.filename2 = str(path), None  # for the error message
            raise
        return path
