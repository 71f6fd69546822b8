"""The questions of GQA in the official file, VLMEvalKit's table and LLaVA's questions. Ids are texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from ..files import Fields, Record, read_json_lines, read_json_objects, shown, unique
from ..questions import Question
from ..recognise import DataFiles
from ..tables import read_table

SHORT_ANSWER = "\nAnswer the question using a single word or phrase."

_OFFICIAL: Fields = {"question": str, "answer": str, "imageId": str}
_LLAVA: Fields = {"question_id": (int, str), "image": str, "text": str}


def read(data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
    """The balanced questions, and how many others were left out. Raises ``UsageError``."""
    if data.format == "vlmevalkit":
        return _table(data.files[0]), {}
    path = (data.official or data.files)[0]
    records = read_json_objects(path, _OFFICIAL)
    balanced = {key: record for key, record in records.items() if record.get("isBalanced", True)}
    questions = [_official(key, record) for key, record in balanced.items()]
    if data.format == "llava":
        questions = _llava(data.files, {question.item: question for question in questions})
    unbalanced = len(records) - len(balanced)
    return questions, {"left_out_as_unbalanced": unbalanced} if unbalanced else {}


def _official(key: str, record: Record) -> Question:
    types = record.get("types", {})
    if not isinstance(types, Mapping):
        record.fail(f"'types' is {shown(types)}, expected an object")
    structural, semantic = (types.get(name) for name in ("structural", "semantic"))
    kinds: tuple[str, ...] = () if structural is None else ("open" if structural == "query" else "binary",)
    kinds += (str(semantic),) if isinstance(semantic, str) else ()
    return Question(key, f"{record['imageId']}.jpg", record.text("question"), record["answer"], kinds)


def _table(path: Path) -> list[Question]:
    questions = []
    for record in read_table(path, ("index", "image", "question", "answer")):
        picture = record.pictures[0] if record.pictures else None
        image = picture.key if picture else record.get("image_path")
        if not record["answer"].strip():
            record.fail("'answer' is empty, expected a word or phrase")
        questions.append(Question(record["index"], image, record.text("question"), record["answer"], picture=picture))
    return questions


def _llava(files: Sequence[Path], official: Mapping[str, Question]) -> list[Question]:
    """LLaVA's questions with the official ones of the same id, whose text and picture must be the same."""
    questions = []
    records = [record for path in files for record in read_json_lines(path, _LLAVA)]
    for identifier, record in unique(records, lambda record: str(record["question_id"]), "question_id").items():
        match = official.get(identifier)
        if match is None:
            record.fail(f"the official file has no question {shown(identifier)}")
        if (match.image, match.question) != (record["image"], record["text"].removesuffix(SHORT_ANSWER)):
            record.fail(
                f"the question {shown(identifier)} is {shown(match.question)} of {match.image} in the official file"
            )
        questions.append(evolve(match, text=record["text"]))
    return questions
