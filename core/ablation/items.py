"""Items of runs as lines of JSON: what one question or drawing of an evaluation gave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import asdict

from ..contracts import Item
from ..errors import StorageError
from ..storage.json_files import json_lines, structured


def item_lines(items: Iterable[Item]) -> str:
    """The items, one JSON object per line."""
    return "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items)


def read_items(path: Path) -> Iterator[Item]:
    """The items of a file. Raises ``StorageError`` where a line is damaged."""
    for number, (_, entry) in enumerate(json_lines(path), start=1):
        try:
            yield structured(entry, Item)
        except ValueError as error:
            raise StorageError(f"{path}: line {number} is damaged: {error}") from error
