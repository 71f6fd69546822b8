"""Results of evaluations in files: scores as JSON, items with one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..contracts import Item, Score
from ..errors import StorageError
from ..storage.atomic import write_text
from ..storage.json_files import json_lines, structured

if TYPE_CHECKING:
    from .runner import Evaluation

_FACTS = ("counts", "settings")
"""Keys of a record of before that are not groups of scores."""


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Scores, metrics and settings as data for JSON."""
    return {
        "scores": {name: attrs.asdict(score) for name, score in evaluation.scores.items()},
        "metrics": {name: attrs.asdict(metric) for name, metric in evaluation.metrics.items()},
        "settings": dict(evaluation.settings),
    }


def scores_of(record: Mapping[str, Any]) -> dict[str, Score]:
    """The scores in a record that ``evaluation_json`` made, or in one of before it: group -> name -> value.

    What is not a score is left out.
    """
    scores = record.get("scores")
    if isinstance(scores, Mapping):
        given = {str(name): _score(score) for name, score in scores.items()}
        return {name: score for name, score in given.items() if score is not None}
    counts = record.get("counts", {})
    return {
        f"{group}.{name}": Score(float(value), int(counts.get(group, {}).get(name, 0)))
        for group, members in record.items()
        if group not in _FACTS and isinstance(members, Mapping)
        for name, value in members.items()
        if isinstance(value, int | float)
    }


def _score(value: Any) -> Score | None:
    """A score from its JSON object; None where it is not one."""
    try:
        return structured(value, Score)
    except Exception:
        return None


def write_items(path: Path, items: Iterable[Item]) -> None:
    """Replace the file by the items, with one JSON object per line. Raises ``StorageError``."""
    write_text(path, "".join(json.dumps(attrs.asdict(item), ensure_ascii=False) + "\n" for item in items))


def read_items(path: Path) -> list[Item]:
    """The items in a file that ``write_items`` wrote. Raises ``StorageError`` for a line that is not an item."""
    items: list[Item] = []
    for number, (_, value) in enumerate(json_lines(path), start=1):
        try:
            items.append(structured(value, Item))
        except ValueError as error:
            raise StorageError(f"line {number} of {path} is not an item of an evaluation: {error}") from None
    return items
