"""Files of a study's folder that its page shows: only those that lie in the folder."""

from __future__ import annotations

import base64
from pathlib import Path

from ...errors import StorageError
from ...storage.json_files import read_bounded

MAX_PICTURE_BYTES = 1 << 20
"""Size of a picture that is shown."""

_PNG = b"\x89PNG\r\n\x1a\n"


def inside(folder: Path, relative: str) -> Path | None:
    """The file at a path relative to the folder; None where there is none, or it lies outside."""
    try:
        path = (folder / relative).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return None


def picture_uri(folder: Path, relative: str) -> str | None:
    """A PNG file of the folder as a data URI; None where it is missing, too large, or not a PNG file."""
    path = inside(folder, relative)
    try:
        data = b"" if path is None else read_bounded(path, MAX_PICTURE_BYTES)
    except (OSError, StorageError):
        return None
    return f"data:image/png;base64,{base64.b64encode(data).decode()}" if data.startswith(_PNG) else None
