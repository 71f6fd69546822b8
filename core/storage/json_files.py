"""Reading JSON files that hold an object, and writing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import Origin, Problem, StorageError
from .atomic import Writer, explained, text_writer, write_files


def read_json(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """The object in a JSON file; empty where the file is missing and may be.

    Every JSON file of a model is read here. Raises ``StorageError`` where it is missing, damaged or not an object.
    """
    with explained("read", path):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if missing_ok:
                return {}
            raise _refused(path, "is missing") from None
        except (ValueError, RecursionError) as error:
            raise _refused(path, f"is damaged or not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _refused(path, f"is damaged: expected a JSON object, got {type(value).__name__}")
    return value


def write_json(path: Path, value: Any) -> None:
    """Replace the file by the value as indented JSON."""
    write_files(path.parent, {path.name: json_writer(value)})


def json_writer(value: Any) -> Writer:
    """Writes a value as indented JSON."""
    return text_writer(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _refused(path: Path, message: str) -> StorageError:
    return StorageError(Problem(message, origin=Origin(str(path))))
