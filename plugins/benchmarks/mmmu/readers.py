"""MMMU's questions, from the official Parquet files or from VLMEvalKit's table."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from attrs import frozen
from janiform import Problem, UsageError

from ..files import Record, shown, unique
from ..parquet import read_parquet
from ..pictures import PictureFolders
from ..questions import Question
from ..recognise import DataFiles, find_data
from ..tables import read_table
from .prompts import numbers_of_pictures

if TYPE_CHECKING:
    from ..parquet import ParquetPicture
    from ..pictures import StoredPicture
    from .config import MMMUConfig

DISCIPLINES = {
    "art_and_design": ("Art", "Art_Theory", "Design", "Music"),
    "business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "health_and_medicine": (
        "Basic_Medical_Science",
        "Clinical_Medicine",
        "Diagnostics_and_Laboratory_Medicine",
        "Pharmacy",
        "Public_Health",
    ),
    "humanities_and_social_science": ("History", "Literature", "Sociology", "Psychology"),
    "tech_and_engineering": (
        "Agriculture",
        "Architecture_and_Engineering",
        "Computer_Science",
        "Electronics",
        "Energy_and_Power",
        "Materials",
        "Mechanical_Engineering",
    ),
}
"""The 30 subjects by their disciplines."""

SUBJECTS = {subject: discipline for discipline, subjects in DISCIPLINES.items() for subject in subjects}

_ID = re.compile(r"(dev|validation|test)_(.+)_\d+")
_PICTURES = tuple(f"image_{number}" for number in range(1, 8))
_TABLE_COLUMNS = ("index", "question", "A", "B", "answer", "category", "split")
_PARQUET_COLUMNS = ("id", "question", "options", "answer", "question_type", *_PICTURES[:1])
_LITERAL_LENGTH = 1 << 16


@frozen(kw_only=True)
class MMMUQuestion(Question):
    """A question with several pictures. ``options``: none of an open question.

    ``answers``: one or several correct ones, none in the test split; ``raw_answer`` is how the data hold them.
    ``pictures``: by their numbers in the text, from ``<image 1>`` on; None where the data have none.
    """

    split: str
    subject: str
    answers: tuple[str, ...]
    raw_answer: str
    pictures: tuple[StoredPicture | ParquetPicture | None, ...]

    @property
    def all_pictures(self) -> Sequence[Any]:
        return [picture for picture in self.pictures if picture is not None]


def read(config: MMMUConfig) -> tuple[DataFiles, list[MMMUQuestion], dict[str, Any]]:
    """The data, the questions in the order of the files, and facts to record. Raises ``UsageError``."""
    splits = config.split.split("+")
    data = _find(config, splits)
    if data.format == "vlmevalkit":
        rows = [record for record in read_table(data.files[0], _TABLE_COLUMNS) if record["split"] in splits]
        folders = PictureFolders([config.images.expanduser() if config.images else data.folder])
        questions = [_of_table(record, folders) for record in rows]
    else:
        folders = PictureFolders([data.folder])
        rows = [record for path in data.files for record in read_parquet(path, _PARQUET_COLUMNS, _PICTURES)]
        unique(rows, lambda record: _text(record, "id"), "id")
        questions = [question for record in rows if (question := _of_row(record)).split in splits]
    if not questions:
        raise UsageError(f"'{config.data}' holds no questions of the split {' or '.join(splits)}")
    facts: dict[str, Any] = {}
    if config.without_pictures:
        return data, questions, facts
    missing = {question.item: number for question in questions if (number := _missing(question))}
    folders.check([f"<image {number}> of {item}" for item, number in missing.items()], allowed=config.allow_missing)
    if missing:
        facts["left_out_for_missing_pictures"] = len(missing)
    return data, [question for question in questions if question.item not in missing], facts


def _missing(question: MMMUQuestion) -> int:
    """The number of the first picture that the question names and lacks; 0 where it lacks none."""
    numbers = [1, *numbers_of_pictures("\n".join((question.question, *question.options.values())))]
    stored = dict(enumerate(question.pictures, start=1))
    return next((number for number in numbers if stored.get(number) is None), 0)


def _find(config: MMMUConfig, splits: Sequence[str]) -> DataFiles:
    """The Parquet files of the splits, as the hub stores them, or VLMEvalKit's table."""
    if config.data is None or config.format == "vlmevalkit":
        return find_data("MMMU", config.data, config.format)
    data = config.data.expanduser()
    if data.suffix.lower() == ".parquet" and data.is_file():
        return DataFiles("official", (data,), data.parent)
    # Files of the hub are named for their split, such as Accounting/validation-00000-of-00001.parquet.
    names = [f"{split}-*.parquet" for split in splits]
    if data.is_dir() and (
        files := sorted({path for name in names for path in (*data.glob(name), *data.glob(f"*/{name}"))})
    ):
        return DataFiles("official", tuple(files), data)
    found = find_data("MMMU", data, config.format)
    if found.format != "vlmevalkit":
        hint = f"set data to a folder with {' or '.join(names)}, or to VLMEvalKit's MMMU_DEV_VAL.tsv"
        raise UsageError(Problem(f"'{data}' holds answers of MMMU, but no questions", hint=hint))
    if len(found.files) > 1:
        listed = ", ".join(path.name for path in found.files)
        raise UsageError(Problem(f"'{data}' holds several tables of MMMU: {listed}", hint="set data to one of them"))
    return found


def _of_table(record: Record, folders: PictureFolders) -> MMMUQuestion:
    pictures: tuple[StoredPicture | None, ...] = record.pictures
    if not pictures and record.get("image_path"):
        pictures = tuple(folders.find(name) for name in _several(record, "image_path"))
    options = {letter: record[letter] for letter in ascii_uppercase if str(record.get(letter)).strip()}
    subject = record.one_of("category", SUBJECTS)
    return _question(
        record,
        item=str(record.get("id") or f"{record['split']}/{record['index']}"),
        keys={"index": record["index"], "split": record["split"], "category": subject, "answer": record["answer"]},
        split=record["split"],
        subject=subject,
        options=options,
        pictures=pictures,
    )


def _of_row(record: Record) -> MMMUQuestion:
    key = _text(record, "id")
    match = _ID.fullmatch(key)
    if match is None or match[2] not in SUBJECTS:
        record.fail(f"'id' is {shown(key)}, expected an id such as 'validation_Accounting_1'")
    options = _several(record, "options")
    if record.one_of("question_type", ("multiple-choice", "open")) == "open":
        options = ()
    elif not options or len(options) > len(ascii_uppercase):
        record.fail(f"'options' is {shown(record['options'])}, expected a list of options")
    return _question(
        record,
        item=key,
        split=match[1],
        subject=match[2],
        options=dict(zip(ascii_uppercase, options, strict=False)),
        pictures=tuple(record.get(name, None) for name in _PICTURES),
    )


def _question(record: Record, **fields: Any) -> MMMUQuestion:
    answer, options = _text(record, "answer").strip(), fields["options"]
    answers = _several(record, "answer") if answer.startswith("[") and not options else (answer,)
    if fields["split"] == "test" or not answer:
        if fields["split"] != "test":
            record.fail("'answer' is empty, expected the correct answer")
        answers = ()
    elif options and answer not in options:
        record.fail(f"'answer' is {shown(answer)}, expected one of the options {', '.join(options)}")
    text = _text(record, "question")
    if not text.strip():
        record.fail("'question' is empty, expected a text")
    first = next((picture for picture in fields["pictures"] if picture is not None), None)
    return MMMUQuestion(
        image=fields["item"] if first is None else first.key,
        question=text,
        answer=" or ".join(answers),
        answers=answers,
        raw_answer=answer,
        picture=first,
        **fields,
    )


def _text(record: Record, name: str) -> str:
    value = record[name]
    if not isinstance(value, str):
        record.fail(f"'{name}' is {shown(value)}, expected a text")
    return str(value)


def _several(record: Record, name: str) -> tuple[str, ...]:
    """The texts in a Python list that a cell holds as a text; a text that is not a list is one text."""
    text = _text(record, name)
    if not text.lstrip().startswith("["):
        return (text,)
    try:
        values = ast.literal_eval(text) if len(text) <= _LITERAL_LENGTH else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        record.fail(f"'{name}' is {shown(text)}, expected a Python list of texts")
    return tuple(values)
