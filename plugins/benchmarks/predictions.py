"""Predictions made elsewhere: answers in the files of evaluators, joined with questions by keys, never by position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from janiform import Problem, UsageError

from .files import Record, read_json_lines, read_json_list, read_json_value, shown
from .sheets import read_sheet
from .tables import read_table

_SHOWN = 5
"""The most keys that an error lists."""


@frozen
class Join:
    """A way to find the question of a prediction: the names of the fields that form its key.

    ``items``: ids of the requests by their keys, tuples of texts. ``answers``: names of the answer, of which the first
    that is there is used. ``normal``: what is done to a field before it is compared.
    """

    fields: tuple[str, ...]
    items: Mapping[Any, str]
    answers: tuple[str, ...] = ("prediction",)
    normal: Callable[[str], str] = str.strip


def read_answers(path: Path) -> list[Record]:
    """The records of a file with predictions: .xlsx, .tsv, .csv, .jsonl, or .json (a list, or lines).

    Raises ``UsageError``.
    """
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder: expected a file of predictions")
    match path.suffix.lower():
        case ".xlsx":
            return read_sheet(path)
        case ".tsv" | ".csv":
            return read_table(path, pictures=False, key="")
        case ".jsonl":
            return read_json_lines(path, {})
        case ".json":
            try:
                value = read_json_value(path)
            except UsageError:
                return read_json_lines(path, {})
            return read_json_list(path, [value] if isinstance(value, dict) else value, {})
    raise UsageError(f"'{path}' is not a file of predictions: expected .xlsx, .tsv, .csv, .jsonl or .json")


def joined(records: Sequence[Record], joins: Sequence[Join], items: Iterable[str], path: Path) -> dict[str, str]:
    """The outputs by the ids of their requests, in the order of ``items``, of which some may have none.

    The first join whose fields the records have is used. Raises ``UsageError`` for answers that are not texts, for
    keys that repeat, and for unknown ones.
    """
    join = _fitting(records, joins, path)
    outputs: dict[str, str] = {}
    origins: dict[str, Record] = {}
    unknown, repeated = [], []
    for record in records:
        key = tuple(join.normal(str(record.get(name))) for name in join.fields)
        item = join.items.get(key)
        if item is None:
            unknown.append("/".join(key))
        elif item in outputs:
            repeated.append(f"{'/'.join(key)} at {record.origin} and {origins[item].origin}")
        else:
            outputs[item] = _answer(record, join.answers)
            origins[item] = record
    problems = [
        Problem(f"{len(names)} of {len(records)} predictions {what}: {_listed(names)}")
        for names, what in (
            (repeated, "repeat a question"),
            (unknown, "are for questions that the data do not have"),
        )
        if names
    ]
    if problems:
        key_name = " and ".join(join.fields)
        problems[0] = Problem(f"'{path}', joined by {key_name}: {problems[0].message}")
        raise UsageError(problems)
    return {item: outputs[item] for item in items if item in outputs}


def _fitting(records: Sequence[Record], joins: Sequence[Join], path: Path) -> Join:
    for join in joins:
        if all(set(join.fields) <= set(record.values) and _name(record, join.answers) for record in records):
            return join
    listed = "; or ".join(f"{', '.join(join.fields)} and {' or '.join(join.answers)}" for join in joins)
    first = set(records[0].values)
    lacking = next((record for record in records if set(record.values) != first), records[0])
    names = ", ".join(list(lacking.values)[:20])
    raise UsageError(
        Problem(f"the predictions in '{path}' lack a key: {lacking.origin} has {names}; expected {listed}")
    )


def _name(record: Record, names: Sequence[str]) -> str:
    return next((name for name in names if name in record.values), "")


def _answer(record: Record, names: Sequence[str]) -> str:
    name = _name(record, names)
    value = record[name]
    if not isinstance(value, str):
        record.fail(f"'{name}' is {shown(value)}, expected a text")
    text: str = value
    return text


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
