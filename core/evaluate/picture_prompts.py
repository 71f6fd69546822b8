"""The prompts of pictures: in files that the user names, or as the pictures and the folders of benchmarks tell them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import JaniformError, Origin, Problem, UsageError
from ..storage.json_files import MAX_LINE_BYTES, parse_json, read_bounded
from .picture_folders import METADATA, SAMPLES, SUFFIXES, FolderPicture, stored_provenance

_NAMES, _TEXTS = ("name", "file_name", "item_id"), ("prompt", "text")
"""Names of the columns or keys with the name of a picture, and with its prompt; the second are DPG-Bench's."""

_MAX_BYTES = 512 << 20
_LISTED = 5


def prompts_of(pictures: Sequence[FolderPicture], source: Path | None = None) -> list[str]:
    """The prompt of each picture.

    ``source``: a folder with a ``.txt`` for each picture of the same name; or a table or a JSON file with the names of
    pictures and their prompts. Without it they are those of GenEval's ``metadata.jsonl``, or of the PNGs themselves.

    Raises ``UsageError`` for pictures without a prompt, prompts without a picture, and files that are not valid.
    """
    if source is None:
        given = {picture.name: _own(picture) for picture in pictures}
        lacking = [name for name, prompt in given.items() if not prompt]
        if lacking:
            message = f"{len(lacking)} of {len(given)} pictures do not tell their prompt: {_first(lacking)}"
            raise UsageError(Problem(message, hint="name the prompts with --prompts"))
        return [given[picture.name] for picture in pictures]
    prompts = _in_folder(source) if source.is_dir() else _in_file(source)
    names = dict.fromkeys(picture.name for picture in pictures)
    faults = {
        f"'{source}' has no prompt for {{}} of {len(names)} pictures": [name for name in names if name not in prompts],
        f"'{pictures[0].folder}' has no picture for {{}} of {len(prompts)} prompts": [
            name for name in prompts if name not in names
        ],
    }
    problems = [Problem(f"{fault.format(len(absent))}: {_first(absent)}") for fault, absent in faults.items() if absent]
    if problems:
        raise UsageError(problems)
    return [prompts[picture.name] for picture in pictures]


def _own(picture: FolderPicture) -> str:
    """The prompt by GenEval's folder or by the picture's file; empty where neither tells it."""
    metadata = picture.path.parent.parent / METADATA
    if picture.path.parent.name == SAMPLES and metadata.is_file():
        return _of_object(_parsed(_bytes(metadata), Origin(str(metadata))), Origin(str(metadata)), ("prompt",))
    provenance = stored_provenance(picture.path)
    return "" if provenance is None else provenance.prompt


def _in_folder(folder: Path) -> dict[str, str]:
    texts = {
        path.relative_to(folder).with_suffix("").as_posix(): _decoded(_bytes(path), path).strip()
        for path in sorted(folder.rglob("*.txt"))
    }
    if not texts:
        raise UsageError(f"'{folder}' holds no prompts: expected a .txt for each picture, with its name")
    return texts


def _in_file(path: Path) -> dict[str, str]:
    suffix, data = path.suffix.lower(), _bytes(path)
    if suffix == ".json":
        value = _parsed(data, Origin(str(path)))
        if not isinstance(value, dict) or not all(isinstance(prompt, str) for prompt in value.values()):
            raise UsageError(f'\'{path}\' is not an object of names and prompts: expected {{"cat.png": "a cat"}}')
        return _by_name(((name, prompt, Origin(f"{path}, '{name}'")) for name, prompt in value.items()))
    if suffix == ".jsonl":
        lines = enumerate(data.split(b"\n"), start=1)
        numbered = [(Origin(str(path), number), line) for number, line in lines if line.strip()]
        return _by_name(_pair(_parsed(line, origin), origin) for origin, line in numbered)
    if suffix in (".csv", ".tsv"):
        table = csv.DictReader(
            io.StringIO(_decoded(data, path)), delimiter="," if suffix == ".csv" else "\t", restkey="", restval=""
        )
        try:
            return _by_name(_pair(row, Origin(str(path), table.line_num)) for row in table)
        except csv.Error as error:
            raise UsageError(f"'{path}' is not a valid table: {error}") from None
    expected = ".json, .jsonl, .csv or .tsv with names and prompts, or a folder with a .txt for each picture"
    raise UsageError(f"'{path}' is not a file of prompts: expected {expected}")


def _pair(value: Any, origin: Origin) -> tuple[str, str, Origin]:
    return _of_object(value, origin, _NAMES), _of_object(value, origin, _TEXTS), origin


def _of_object(value: Any, origin: Origin, names: Sequence[str]) -> str:
    """The text under the first of the names that an object has."""
    found = next((name for name in names if isinstance(value, Mapping) and name in value), None)
    if found is None or not isinstance(value[found], str):
        raise UsageError(Problem(f"expected an object or a row with {' or '.join(names)}, a text", origin=origin))
    text: str = value[found]
    return text


def _by_name(rows: Iterable[tuple[str, str, Origin]]) -> dict[str, str]:
    """Prompts by the names of pictures without extensions. A name may repeat with the same prompt, as in DPG-Bench."""
    prompts: dict[str, str] = {}
    for name, prompt, origin in rows:
        path = PurePosixPath(name.strip())
        key = str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else str(path)
        if not prompt.strip():
            raise UsageError(Problem(f"the prompt of '{name}' is empty", origin=origin))
        if prompts.setdefault(key, prompt.strip()) != prompt.strip():
            raise UsageError(Problem(f"'{name}' has a second prompt", origin=origin))
    if not prompts:
        raise UsageError("the file of prompts is empty")
    return prompts


def _parsed(data: bytes, origin: Origin) -> Any:
    try:
        return parse_json(data)
    except ValueError as error:
        raise UsageError(Problem(f"this is not JSON: {error}", origin=origin)) from None


def _bytes(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_LINE_BYTES if path.suffix.lower() == ".txt" else _MAX_BYTES)
    except FileNotFoundError:
        raise UsageError(f"'{path}' does not exist") from None
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from None
    except JaniformError as error:
        raise UsageError(error.problems) from None


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"'{path}' is not a text in UTF-8: {error}") from None


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
