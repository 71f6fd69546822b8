"""The questions of SEED-Bench about pictures in the official file, VLMEvalKit's table and LLaVA's questions.

Questions about videos are left out and counted. The names of official pictures have no extension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from janiform import UsageError

from ..files import Fields, Record, read_json_lines, read_json_list, read_json_value, shown, unique
from ..questions import Question
from ..recognise import SEED_DIMENSIONS, DataFiles
from ..tables import read_table

LETTERS = "ABCD"
LETTER_INSTRUCTION = "Answer with the option's letter from the given choices directly."

_OFFICIAL: Fields = {
    "question_id": (int, str), "question": str, "answer": str, "data_type": str, "question_type_id": int,
    "data_id": (int, str), **{f"choice_{letter.lower()}": (int, str, float) for letter in LETTERS},
}  # fmt: skip
_LLAVA: Fields = {"question_id": (int, str), "image": str, "text": str, "category": str}


def read(data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
    """The questions about pictures, and the number of those about videos. Raises ``UsageError``."""
    if data.format == "vlmevalkit":
        return _table(data.files[0]), {}
    questions, videos = _official((data.official or data.files)[0])
    if data.format == "llava":
        questions, videos = _llava(data.files, {question.item: question for question in questions})
    return questions, {"left_out_as_videos": videos} if videos else {}


def _official(path: Path) -> tuple[list[Question], int]:
    value = read_json_value(path)
    if not isinstance(value, dict) or "questions" not in value:
        raise UsageError(f"'{path}' is not a JSON object with the key 'questions'")
    records = read_json_list(path, value["questions"], _OFFICIAL)
    questions = []
    for identifier, record in unique(records, lambda record: str(record["question_id"]), "question_id").items():
        if record.one_of("data_type", ("image", "video")) == "video":
            continue
        number = record["question_type_id"]
        if not 1 <= number <= len(SEED_DIMENSIONS):
            record.fail(f"'question_type_id' is {number}, expected 1 to {len(SEED_DIMENSIONS)} for a picture")
        options = {letter: str(record[f"choice_{letter.lower()}"]) for letter in LETTERS}
        category = SEED_DIMENSIONS[number - 1]
        questions.append(_question(identifier, record, record["data_id"], category, options))
    return questions, len(records) - len(questions)


def _question(
    item: str, record: Record, image: str, category: str, options: Mapping[str, str], picture: Any = None
) -> Question:
    if empty := [letter for letter, option in options.items() if not option.strip()]:
        record.fail(f"the option {empty[0]} is empty")
    answer = record.one_of("answer", list(options))
    return Question(item, image, record.text("question"), answer, (category,), options, picture)


def _table(path: Path) -> list[Question]:
    questions = []
    for record in read_table(path, ("index", "image", "question", *LETTERS, "answer", "category")):
        category = record.one_of("category", SEED_DIMENSIONS)
        picture = record.pictures[0] if record.pictures else None
        image = picture.key if picture else record.get("image_path")
        options = {letter: record[letter] for letter in LETTERS}
        questions.append(_question(record["index"], record, image, category, options, picture))
    return questions


def _llava(files: Sequence[Path], official: Mapping[str, Question]) -> tuple[list[Question], int]:
    """LLaVA's questions with the official ones of the same id, which must be about the same picture."""
    questions, videos = [], 0
    records = [record for path in files for record in read_json_lines(path, _LLAVA)]
    for identifier, record in unique(records, lambda record: str(record["question_id"]), "question_id").items():
        if record["category"] not in SEED_DIMENSIONS:
            videos += 1
            continue
        match = official.get(identifier)
        if match is None:
            record.fail(f"the official file has no question {shown(identifier)} about a picture")
        if Path(record["image"]).stem != Path(match.image).stem:
            record.fail(f"the question {shown(identifier)} is about the picture {match.image} in the official file")
        questions.append(evolve(match, text=record["text"]))
    return questions, videos
