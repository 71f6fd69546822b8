"""MMBench's questions in its table, where the rotations of a question's options are rows of their own.

A question has an index below 1,000,000; its k-th rotation has that index plus k million.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from janiform import Problem, UsageError

from ..files import Record
from ..questions import Question
from ..recognise import DataFiles
from ..tables import read_table

ROTATION = 1_000_000
"""Distance between the indices of the rotations of a question."""

_COLUMNS = ("index", "image", "question", "hint", "A", "B", "C", "D", "category", "l2-category", "split")
_ANSWERED = ("dev", "val", "validation")
"""Splits whose answers are published; those of the test split are known to MMBench's server alone."""

_CHINESE = re.compile("[\u4e00-\u9fff]")


def read(data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
    """The rows, and facts to record: the language, the splits and the number of questions without their rotations.

    Raises ``UsageError``.
    """
    if len(data.files) > 1:
        listed = ", ".join(path.name for path in data.files)
        raise UsageError(Problem(f"'{data.folder}' holds several tables: {listed}", hint="set data to one of them"))
    records = read_table(data.files[0], _COLUMNS)
    answered = any(record.get("answer").strip() for record in records)
    if not answered and (known := next((record for record in records if record["split"] in _ANSWERED), None)):
        known.fail(f"the table has no answers, but those of the split {known['split']} are published")
    questions = [_question(record, answered) for record in records]
    indices = {question.keys["index"] for question in questions}
    for question, record in zip(questions, records, strict=True):
        if question.keys["base"] not in indices:
            record.fail(f"'index' is {question.keys['index']}, a rotation of {question.keys['base']}, which is missing")
    chinese = sum(_CHINESE.search(question.question) is not None for question in questions)
    splits = sorted({question.keys["split"] for question in questions} - {""})
    facts: dict[str, Any] = {
        "language": "cn" if 2 * chinese > len(questions) else "en",
        "splits": splits,
        "answers": answered,
    }
    return questions, facts


def _question(record: Record, answered: bool) -> Question:
    index = record["index"].strip()
    if not index.isdecimal():
        record.fail(f"'index' is '{index}', expected a whole number")
    options = {letter: record[letter] for letter in ascii_uppercase if not is_empty(record.get(letter))}
    if len(options) < 2:
        record.fail(f"the question has {len(options)} options, expected at least A and B")
    answer = record.one_of("answer", options) if answered else ""
    split = "" if is_empty(record["split"]) else record.text("split")
    hint = "" if is_empty(record.get("hint")) else record["hint"]
    categories = {name: record.text(name).strip() for name in ("l2-category", "category")}
    keys = {"index": index, "base": str(int(index) % ROTATION), "split": split, "hint": hint, **categories}
    picture = record.pictures[0] if record.pictures else None
    image = picture.key if picture else record.get("image_path") or ""
    item = f"{split}/{index}" if split else index
    return Question(
        item, image, record.text("question"), answer, tuple(categories.values()), options, picture, keys=keys
    )


def is_empty(cell: str) -> bool:
    """Whether a cell holds nothing; ``nan`` is what pandas writes for nothing."""
    return cell.strip() in ("", "nan")


def by_base(questions: Sequence[Question]) -> Mapping[str, list[Question]]:
    """The rotations of each question, by its split and index."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(base_of(question), []).append(question)
    return groups


def base_of(question: Question) -> str:
    """The id of the question whose rotation this is."""
    return f"{question.keys['split']}/{question.keys['base']}"
