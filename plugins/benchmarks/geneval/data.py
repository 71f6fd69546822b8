"""GenEval's prompts: one JSON object per line, which also says what the pictures must show. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from janiform_plugins.benchmarks.drawings import only_file
from janiform_plugins.benchmarks.files import Record, read_json_lines, shown, unique
from janiform_plugins.benchmarks.recognise import find_data

from .rules import COLOURS, RELATIONS, TAGS, Requirement, Unwanted, Wanted

FILE = "evaluation_metadata.jsonl"

_MOST = 1000
"""The largest count of objects; GenEval asks for 4 at most."""


@frozen
class Prompt:
    """A prompt and what its pictures must show. ``key``: the number of its line from 0, its folder's name."""

    key: str
    tag: str
    text: str
    requirement: Requirement
    metadata: Mapping[str, Any] = field(repr=False)


def read_prompts(data: Path | None) -> tuple[list[Prompt], Path]:
    """The prompts in a file, or in the ``evaluation_metadata.jsonl`` of a folder, and the file.

    Raises ``UsageError`` for the data of another benchmark, and for a line that is not valid.
    """
    file = only_file(find_data("GenEval", data), FILE)
    records = read_json_lines(file, {"tag": str, "include": list, "prompt": str})
    unique(records, lambda record: str(record["prompt"]), "prompt")
    return [_prompt(number, record) for number, record in enumerate(records)], file


def _prompt(number: int, record: Record) -> Prompt:
    record.text("prompt")
    include: list[Wanted] = []
    for entry in record["include"]:
        include.append(_wanted(record, entry, len(include)))
    if not include:
        record.fail("'include' is empty, expected the objects that the picture must show")
    exclude = record.get("exclude", [])
    if not isinstance(exclude, list):
        record.fail(f"'exclude' is {shown(exclude)}, expected a list of objects")
    unwanted = tuple(Unwanted(*_noun_and_count(record, "exclude", entry)) for entry in exclude)
    tag = record.one_of("tag", TAGS)
    return Prompt(f"{number:05d}", tag, record["prompt"], Requirement(tuple(include), unwanted), dict(record.values))


def _wanted(record: Record, entry: Any, earlier: int) -> Wanted:
    noun, count = _noun_and_count(record, "include", entry)
    colour = entry.get("color", "")
    if "color" in entry and colour not in COLOURS:
        record.fail(f"the 'color' of '{noun}' is {shown(colour)}, expected one of {', '.join(COLOURS)}")
    if "position" not in entry:
        return Wanted(noun, count, colour)
    match entry["position"]:
        case [str(relation), int(target)] if relation in RELATIONS and 0 <= target < earlier and target is not False:
            return Wanted(noun, count, colour, relation, target)
    expected = f"[relation, number of an earlier entry], with a relation of {', '.join(RELATIONS)}"
    return record.fail(f"the 'position' of '{noun}' is {shown(entry['position'])}, expected {expected}")


def _noun_and_count(record: Record, key: str, entry: Any) -> tuple[str, int]:
    match entry:
        case {"class": str(noun), "count": int(count)} if noun and type(count) is int and 1 <= count <= _MOST:
            return noun, count
    return record.fail(
        f"'{key}' holds {shown(entry)}, expected an object with 'class', a text, and 'count', a whole number from 1"
    )


def chosen(prompts: Sequence[Prompt], limit: int) -> list[Prompt]:
    """The first prompts; all where the limit is 0."""
    return list(prompts[:limit] if limit else prompts)
