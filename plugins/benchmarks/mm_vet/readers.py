"""MM-Vet's questions in the official file, VLMEvalKit's table and LLaVA's questions.

The official file has an object per question, from ``v1_0`` on; LLaVA's question with the number 0 is ``v1_0``, and its
answer comes from the official file. VLMEvalKit's table has indices instead of these keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from janiform import Problem, UsageError

from ..files import Record, described, read_json_lines, read_json_objects, read_json_value, shown, unique
from ..questions import Question
from ..recognise import DataFiles
from ..tables import read_table

CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")

_OFFICIAL = {"imagename": str, "question": str, "answer": str, "capability": list}
_LLAVA: dict[str, type | tuple[type, ...]] = {"question_id": (int, str), "image": str, "text": str}
_COLUMNS = ("index", "image", "question", "answer", "category")


def read(data: DataFiles, subset: str) -> tuple[list[Question], dict[str, Any]]:
    """The questions, those of a subset where one is named, and facts to record. Raises ``UsageError``."""
    if len(data.files) > 1:
        listed = ", ".join(path.name for path in data.files)
        raise UsageError(Problem(f"'{data.folder}' holds several files: {listed}", hint="set data to one of them"))
    if data.format == "vlmevalkit":
        questions = [_of_row(record) for record in read_table(data.files[0], _COLUMNS)]
    elif data.format == "llava":
        questions = _llava(data.files[0], _official(data.official[0]))
    else:
        questions = list(_official(data.files[0]).values())
    if not subset:
        return questions, {}
    path = Path(subset).expanduser()
    keys = read_json_value(path)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise UsageError(f"'{path}' is not a list of keys such as [\"v1_0\"]")
    if absent := sorted(set(keys) - {question.item for question in questions}):
        raise UsageError(f"{len(absent)} of {len(keys)} keys in '{path}' are not in the data: {', '.join(absent[:5])}")
    return [question for question in questions if question.item in set(keys)], {"subset": described([path])}


def _official(path: Path) -> dict[str, Question]:
    return {key: _of_object(key, record) for key, record in read_json_objects(path, _OFFICIAL).items()}


def _of_object(key: str, record: Record) -> Question:
    capabilities = record["capability"]
    if not all(isinstance(name, str) for name in capabilities):
        record.fail(f"'capability' is {shown(capabilities)}, expected a list of texts")
    return _question(record, key, record["imagename"], capabilities)


def _of_row(record: Record) -> Question:
    picture = record.pictures[0] if record.pictures else None
    image = picture.key if picture else record.get("image_path") or ""
    return evolve(_question(record, record["index"].strip(), image, record["category"].split(",")), picture=picture)


def _question(record: Record, key: str, image: str, names: Sequence[str]) -> Question:
    names = [name.strip() for name in names]
    if not names or not set(names) <= set(CAPABILITIES) or len(set(names)) < len(names):
        record.fail(f"the capabilities are {shown(names)}, expected some of {', '.join(CAPABILITIES)}")
    for name in ("question", "answer"):
        if not record[name].strip():
            record.fail(f"'{name}' is empty, expected a text")
    ordered = tuple(name for name in CAPABILITIES if name in names)
    return Question(key, image, record["question"], record["answer"], ordered)


def _llava(path: Path, official: dict[str, Question]) -> list[Question]:
    questions = []
    for number, record in unique(
        read_json_lines(path, _LLAVA), lambda record: str(record["question_id"]), "question_id"
    ).items():
        question = official.get(number if number.startswith("v1_") else f"v1_{number}")
        if question is None or question.question.strip() != record["text"].strip():
            what = "is not in" if question is None else "has another text in"
            record.fail(f"the question {number} {what} the official file")
        questions.append(evolve(question, text=record["text"], keys={"llava": number}))
    return questions
