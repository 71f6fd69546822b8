"""MMMU's questions, from the official Parquet files or from VLMEvalKit's table."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from attrs import frozen
from janiform import Problem, UsageError

from ..files import Record, shown, unique
from ..parquet import read_parquet
from ..pictures import PictureFolders
from ..tables import read_table

if TYPE_CHECKING:
    from ..parquet import ParquetPicture
    from ..pictures import StoredPicture

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


@frozen
class Question:
    """One question. ``options``: their texts by their letters, none of an open question. ``answers``: one or several
    correct ones, none in the test split. ``pictures``: by their numbers in the text, from ``<image 1>`` on; None where
    the data has none."""

    key: str
    index: str
    split: str
    subject: str
    text: str
    options: Mapping[str, str]
    answers: tuple[str, ...]
    raw_answer: str
    pictures: tuple[StoredPicture | ParquetPicture | None, ...]


@frozen
class Data:
    """The questions, the files that hold them, the name of their format, and the number of those left out."""

    questions: tuple[Question, ...]
    files: tuple[Path, ...]
    format: str
    left_out: int = 0


def read(data: Path, splits: Sequence[str], images: Path | None, *, allow_missing: bool) -> Data:
    """The questions of some splits, in the order of the files. Raises ``UsageError``."""
    files, is_table = _files(data, splits)
    if is_table:
        rows = [record for record in read_table(files[0], _TABLE_COLUMNS) if record["split"] in splits]
        folders = PictureFolders([images or files[0].parent])
        questions = [_of_table(record, folders) for record in rows]
    else:
        folders = PictureFolders([files[0].parent])
        rows = [record for path in files for record in read_parquet(path, _PARQUET_COLUMNS, _PICTURES)]
        unique(rows, lambda record: _text(record, "id"), "id")
        questions = [question for record in rows if (question := _of_row(record)).split in splits]
    if not questions:
        raise UsageError(f"'{data}' holds no questions of the split {' or '.join(splits)}")
    missing = {question.key: number for question in questions if (number := _missing(question))}
    folders.check([f"<image {number}> of {key}" for key, number in missing.items()], allowed=allow_missing)
    kept = tuple(question for question in questions if question.key not in missing)
    return Data(kept, tuple(files), "VLMEvalKit TSV" if is_table else "official Parquet", len(missing))


def _missing(question: Question) -> int:
    """The number of the first picture that the question names and lacks; 0 where it lacks none."""
    numbers = [1, *numbers_of_pictures("\n".join((question.text, *question.options.values())))]
    stored = dict(enumerate(question.pictures, start=1))
    return next((number for number in numbers if stored.get(number) is None), 0)


def _files(data: Path, splits: Sequence[str]) -> tuple[list[Path], bool]:
    """The files to read, and whether they are a table."""
    if data.is_file():
        if data.suffix.lower() in (".tsv", ".csv", ".parquet"):
            return [data], data.suffix.lower() != ".parquet"
        raise UsageError(f"'{data}' is not data of MMMU: expected a Parquet file or VLMEvalKit's MMMU_DEV_VAL.tsv")
    if not data.is_dir():
        raise UsageError(f"there is no file or folder '{data}'")
    # Files of the hub are named for their split, such as Accounting/validation-00000-of-00001.parquet.
    names = [f"{split}-*.parquet" for split in splits]
    if parquet := sorted({path for name in names for path in (*data.glob(name), *data.glob(f"*/{name}"))}):
        return parquet, False
    tables = sorted(data.glob("MMMU*.tsv"))
    if len(tables) == 1:
        return tables, True
    if tables:
        listed = ", ".join(path.name for path in tables)
        raise UsageError(Problem(f"'{data}' holds several tables of MMMU: {listed}", hint="set data to one of them"))
    message = f"'{data}' holds neither {' nor '.join(names)}, here or one folder below, nor MMMU*.tsv"
    raise UsageError(Problem(message, hint="set data to the folder of MMMU's Parquet files, or to a TSV"))


def _of_table(record: Record, folders: PictureFolders) -> Question:
    pictures: tuple[StoredPicture | None, ...] = record.pictures
    if not pictures and record.get("image_path"):
        pictures = tuple(folders.find(name) for name in _several(record, "image_path"))
    options = {letter: record[letter] for letter in ascii_uppercase if str(record.get(letter)).strip()}
    subject = record.one_of("category", SUBJECTS)
    return _question(
        record,
        key=str(record.get("id") or f"{record['split']}/{record['index']}"),
        index=record["index"],
        split=record["split"],
        subject=subject,
        options=options,
        pictures=pictures,
    )


def _of_row(record: Record) -> Question:
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
        key=key,
        index="",
        split=match[1],
        subject=match[2],
        options=dict(zip(ascii_uppercase, options, strict=False)),
        pictures=tuple(record.get(name, None) for name in _PICTURES),
    )


def _question(record: Record, **fields: Any) -> Question:
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
    return Question(text=text, answers=answers, raw_answer=answer, **fields)


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


def numbers_of_pictures(text: str) -> list[int]:
    """The numbers in ``<image 1>``, ``<image 2>``, … of a text, in their order."""
    return [int(number) for number in re.findall(r"<image (\d+)>", text)]
