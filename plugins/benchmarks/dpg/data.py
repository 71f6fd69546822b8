"""DPG-Bench's questions and prompts: ``dpg_bench.csv`` and the folder ``prompts``. Torch-free."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen
from janiform import Problem, UsageError, read_bounded
from janiform_plugins.benchmarks.drawings import only_file
from janiform_plugins.benchmarks.files import Record, shown
from janiform_plugins.benchmarks.recognise import find_data
from janiform_plugins.benchmarks.tables import read_table

FILE = "dpg_bench.csv"
COLUMNS = ("item_id", "text", "proposition_id", "dependency", "tuple", "question_natural_language")

_MOST_PROMPT_BYTES = 1 << 20
_LISTED = 5


@frozen
class Question:
    """A question about a picture. ``parents``: the numbers of those that must be answered with yes as well.

    ``broad`` and ``detailed`` are its category: ``attribute`` and ``color``; the latter may be empty.
    """

    number: int
    text: str
    parents: tuple[int, ...]
    broad: str
    detailed: str


@frozen
class DpgItem:
    """A prompt with its questions in the order of the file."""

    key: str
    text: str
    questions: tuple[Question, ...]


def read_items(data: Path | None) -> tuple[list[DpgItem], list[Path]]:
    """The items in the order of the CSV, and the files that were read.

    Prompts are those of the folder ``prompts`` beside the CSV, without white space at their ends, where there is one;
    else the column ``text``. Raises ``UsageError`` for the data of another benchmark, and for rows that are not valid.
    """
    file = only_file(find_data("DPG-Bench", data), FILE)
    items = _items(read_table(file, COLUMNS, pictures=False, key=""))
    folder = file.parent / "prompts"
    if not folder.is_dir():
        return list(items.values()), [file]
    texts = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    _check_same(items, texts, file, folder)
    return [evolve(item, text=_text(texts[key])) for key, item in items.items()], [file, *texts.values()]


def dropped_first(items: list[DpgItem]) -> list[DpgItem]:
    """The items that the official script scores: it skips the first row of the CSV.

    Where other questions of the first item depend on that row's question, the script fails for the item and leaves it
    out.
    """
    first, *others = items
    question, *rest = first.questions
    if not rest or any(question.number in other.parents for other in rest):
        return others
    return [evolve(first, questions=tuple(rest)), *others]


def _items(rows: list[Record]) -> dict[str, DpgItem]:
    items: dict[str, DpgItem] = {}
    last = ""
    for row in rows:
        key, question = row["item_id"].strip(), _question(row)
        if not key or "/" in key or "\\" in key:
            row.fail(f"'item_id' is {shown(key)}, expected the name of a prompt's file")
        if key in items and key != last:
            row.fail(f"the rows of the item '{key}' are not together: others lie between them")
        item = items.get(key, DpgItem(key, row["text"].strip(), ()))
        if any(question.number == other.number for other in item.questions):
            row.fail(f"the item '{key}' has two questions with the proposition_id {question.number}")
        items[key] = evolve(item, questions=(*item.questions, question))
        last = key
    if not items:
        raise UsageError("the table of questions has no rows")
    for item in items.values():
        numbers = {question.number for question in item.questions}
        for question in item.questions:
            if absent := sorted(set(question.parents) - numbers):
                raise UsageError(
                    f"question {question.number} of the item '{item.key}' depends on question {absent[0]}, which the "
                    "item does not have"
                )
    return items


def _question(row: Record) -> Question:
    number = _whole(row, "proposition_id", row["proposition_id"])
    if number < 1:
        row.fail(f"'proposition_id' is {number}, expected a whole number from 1")
    parents = tuple(_whole(row, "dependency", part) for part in row["dependency"].split(","))
    text = row.text("question_natural_language").strip()
    category, bracket, _ = row["tuple"].partition("(")
    broad, _, detailed = (part.strip() for part in category.partition("-"))
    if not bracket or not broad:
        row.fail(f"'tuple' is {shown(row['tuple'])}, expected a category and what it is about: entity - whole (cube)")
    return Question(number, text, tuple(parent for parent in parents if parent != 0), broad, detailed)


def _whole(row: Record, column: str, text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        expected = "whole numbers, separated by commas" if column == "dependency" else "a whole number"
        return row.fail(f"'{column}' is {shown(row[column])}, expected {expected}")


def _text(path: Path) -> str:
    try:
        text = read_bounded(path, _MOST_PROMPT_BYTES).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the prompt '{path}' cannot be read as UTF-8: {error}") from None
    if not text:
        raise UsageError(f"the prompt '{path}' is empty")
    return text


def _check_same(items: dict[str, DpgItem], texts: dict[str, Path], file: Path, folder: Path) -> None:
    problems = [
        Problem(f"'{where}' lacks {len(absent)} of {len(items)} items: {', '.join(absent[:_LISTED])}")
        for where, absent in (
            (folder, sorted(items.keys() - texts.keys())),
            (file, sorted(texts.keys() - items.keys())),
        )
        if absent
    ]
    if problems:
        raise UsageError(problems)
