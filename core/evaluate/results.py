"""Results of benchmarks in a folder: all scores in one file, all items in another, and examples. Torch-free.

``scores.json`` has the scores, metrics, settings and published numbers of each benchmark; a line of ``items.jsonl`` is
an item with the name of its benchmark. A file with the scores of a single benchmark is read as well, as ``janiform eval
--out scores.json`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen

from ..contracts import Item, Metric, Published, Score
from ..errors import Origin, Problem, StorageError, UsageError
from ..storage.atomic import text_writer, write_files
from ..storage.json_files import json_lines, json_writer, read_json, structured

SCORES, ITEMS, EXAMPLES, PAGE = "scores.json", "items.jsonl", "examples.json", "index.html"


_NOTES = {
    "missing_predictions": (
        "item has no prediction, and counts as wrong",
        "items have no prediction, and count as wrong",
    ),
    "left_out_for_missing_pictures": (
        "question is left out, because its picture is missing",
        "questions are left out, because their pictures are missing",
    ),
    "not_judged": (
        "output is left out, because the judge failed for it",
        "outputs are left out, because the judge failed for them",
    ),
}
"""Sentences about settings that count items, for one and for several."""


@frozen
class Example:
    """A request to show. ``question``: the question or prompt; ``picture``: a data URI, empty where there is none."""

    item: str
    question: str
    expected: str = ""
    picture: str = field(default="", repr=False)
    drawn: bool = False


@frozen(eq=False)
class Result:
    """One benchmark's scores, with everything that is stored beside them.

    ``jackknife``: the scores with each group of clusters left out in turn (``compare``).
    """

    scores: Mapping[str, Score]
    metrics: Mapping[str, Metric]
    settings: Mapping[str, Any]
    items: Sequence[Item] = ()
    published: Sequence[Published] = ()
    examples: Sequence[Example] = ()
    jackknife: Mapping[str, Sequence[float]] = field(factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Scores, metrics and settings as data for JSON."""
        return {
            "scores": {name: attrs.asdict(score) for name, score in self.scores.items()},
            "metrics": {name: attrs.asdict(metric) for name, metric in self.metrics.items()},
            "settings": dict(self.settings),
        }

    @property
    def notes(self) -> list[str]:
        """What is left out of the scores, or counts as wrong in them, as sentences."""
        counts = ((self.settings.get(name), one, several) for name, (one, several) in _NOTES.items())
        return [f"1 {one}." if count == 1 else f"{count} {several}." for count, one, several in counts if count]

    @property
    def by_metric(self) -> dict[str, list[Item]]:
        """The items of each metric."""
        groups: dict[str, list[Item]] = {}
        for item in self.items:
            groups.setdefault(item.metric, []).append(item)
        return groups


def results_json(results: Mapping[str, Result]) -> dict[str, Any]:
    """The scores of several benchmarks as data for JSON."""
    return {
        "benchmarks": {
            name: {
                **result.as_json(),
                "published": [attrs.asdict(row) for row in result.published],
                "jackknife": {metric: list(values) for metric, values in result.jackknife.items()},
            }
            for name, result in results.items()
        }
    }


def items_text(results: Mapping[str, Result]) -> str:
    """The items of several benchmarks, one JSON object per line, each with the name of its benchmark."""
    return "".join(
        json.dumps({"benchmark": name, **attrs.asdict(item)}, ensure_ascii=False) + "\n"
        for name, result in results.items()
        for item in result.items
    )


def write_results(folder: Path, results: Mapping[str, Result], page: str | None = None) -> None:
    """Replace the results in a folder, with the text of their page where it is given. Raises ``StorageError``."""
    examples = {name: [attrs.asdict(one) for one in result.examples] for name, result in results.items()}
    files = {
        ITEMS: text_writer(items_text(results)),
        EXAMPLES: json_writer(examples),
        SCORES: json_writer(results_json(results)),
    }
    if page is not None:
        files[PAGE] = text_writer(page)
    write_files(folder, files, withdraw=SCORES)


def holds_results(path: Path) -> bool:
    """Whether a path is a folder that ``write_results`` wrote, or a file of scores."""
    # The folder of a run in a study has scores as well, and no examples.
    return (path / EXAMPLES).is_file() or (path.is_file() and path.suffix == ".json")


def read_results(path: Path) -> dict[str, Result]:
    """The results in a folder, or in a file of scores and the files beside it, by the names of benchmarks.

    Raises ``UsageError`` where there are none, ``StorageError`` where a file is damaged.
    """
    file = path / SCORES if path.is_dir() else path
    if not file.is_file():
        hint = f"name a folder that 'janiform eval --out DIR' wrote, or its {SCORES}"
        raise UsageError(Problem(f"there are no scores at '{path}'", hint=hint))
    record = read_json(file)
    groups = record.get("benchmarks")
    if groups is None and isinstance(record.get("scores"), dict):
        reference = (record.get("settings") or {}).get("benchmark") or "benchmark"
        groups = {str(reference).partition("@")[0]: record}
    if not isinstance(groups, dict) or not groups:
        raise _damaged(file, "it has neither 'benchmarks' nor 'scores'")
    items = _read_items(file.parent / ITEMS, list(groups))
    examples = _read_examples(file.parent / EXAMPLES)
    return {
        name: _result(file, name, group, items.get(name, []), examples.get(name, ())) for name, group in groups.items()
    }


def _result(file: Path, name: str, group: Any, items: Sequence[Item], examples: Sequence[Example]) -> Result:
    try:
        scores = structured(group["scores"], dict[str, Score])
        metrics = structured(group["metrics"], dict[str, Metric])
        published = structured(group.get("published", []), list[Published])
        jackknife = structured(group.get("jackknife", {}), dict[str, list[float]])
        settings = group["settings"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, f"'{name}' has no valid scores, metrics and settings: {error}") from error
    if lacking := [metric for metric in scores if metric not in metrics]:
        raise _damaged(file, f"'{name}' has the score '{lacking[0]}', but no metric of that name")
    if not isinstance(settings, dict):
        raise _damaged(file, f"the settings of '{name}' are not an object")
    return Result(scores, metrics, settings, items, published, examples, jackknife)


def _read_items(path: Path, benchmarks: Sequence[str]) -> dict[str, list[Item]]:
    """The items by benchmark; none where the file is missing. Lines without a benchmark belong to the only one."""
    items: dict[str, list[Item]] = {}
    if not path.is_file():
        return items
    for number, (_, value) in enumerate(json_lines(path), start=1):
        name = (value or {}).get("benchmark", benchmarks[0] if len(benchmarks) == 1 else None)
        try:
            item = structured(value, Item)
        except ValueError as error:
            raise StorageError(f"line {number} of {path} is not an item of an evaluation: {error}") from None
        if not isinstance(name, str) or name not in benchmarks:
            message = f"line {number} of {path} has the benchmark {name!r}, but {SCORES} has {', '.join(benchmarks)}"
            raise StorageError(message)
        items.setdefault(name, []).append(item)
    return items


def _read_examples(path: Path) -> dict[str, list[Example]]:
    if not path.is_file():
        return {}
    try:
        return structured(read_json(path), dict[str, list[Example]])
    except ValueError as error:
        raise _damaged(path, f"it does not hold examples: {error}") from error


def _damaged(path: Path, message: str) -> StorageError:
    return StorageError(Problem(f"is damaged: {message}", origin=Origin(str(path))))
