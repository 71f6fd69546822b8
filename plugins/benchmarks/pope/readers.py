"""The questions of POPE in the official files, VLMEvalKit's table and LLaVA's questions.

The official files have one line per question: random, popular and adversarial are three files whose question ids all
begin at 1. VLMEvalKit's table has each question once, with all of its splits in ``category``. LLaVA's questions lack
the answers, which come from the official files by split, picture and text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from janiform import Problem, UsageError

from ..files import Fields, Record, read_json_lines, unique
from ..questions import Question
from ..recognise import POPE_SPLITS, DataFiles, split_of
from ..tables import read_table

ASKS_YES_OR_NO = " Please answer yes or no."
SHORT_ANSWER = "\nAnswer the question using a single word or phrase."

_OFFICIAL: Fields = {"question_id": (int, str), "image": str, "text": str, "label": str}
_LLAVA: Fields = {"question_id": (int, str), "image": str, "text": str, "category": str}


def read(data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
    """The questions and the number in each split. Raises ``UsageError``."""
    if data.format == "vlmevalkit":
        questions = _table(data.files[0])
    elif data.format == "llava":
        questions = _llava(data.files, _official(data.official))
    else:
        questions = _official(data.files)
    counts = {split: sum(split in question.categories for question in questions) for split in POPE_SPLITS}
    return questions, {"splits": {split: count for split, count in counts.items() if count}}


def _official(files: Sequence[Path]) -> list[Question]:
    questions: list[Question] = []
    for path in sorted(files, key=lambda path: POPE_SPLITS.index(_split(path))):
        split = _split(path)
        records = read_json_lines(path, _OFFICIAL)
        for identifier, record in unique(records, lambda record: str(record["question_id"]), "question_id").items():
            answer = record.one_of("label", ("yes", "no"))
            keys = {"question_id": identifier, "split": split}
            questions.append(
                Question(f"{split}/{identifier}", record["image"], record.text("text"), answer, (split,), keys=keys)
            )
    return questions


def _split(path: Path) -> str:
    split = split_of(path, POPE_SPLITS)
    if split is None:
        hint = "call it coco_pope_random.json or alike"
        raise UsageError(Problem(f"the name of '{path}' holds none of {', '.join(POPE_SPLITS)}", hint=hint))
    return split


def _table(path: Path) -> list[Question]:
    questions = []
    for record in read_table(path, ("index", "image", "question", "answer", "category")):
        splits = tuple(split.strip() for split in record["category"].split(","))
        if not set(splits) <= set(POPE_SPLITS) or len(set(splits)) < len(splits):
            record.fail(f"'category' is '{record['category']}', expected some of {', '.join(POPE_SPLITS)}")
        answer = record.one_of("answer", ("Yes", "No")).lower()
        question = record.text("question").removesuffix(ASKS_YES_OR_NO)
        picture = record.pictures[0] if record.pictures else None
        image = picture.key if picture else record.get("image_path") or ""
        questions.append(Question(record["index"], image, question, answer, splits, picture=picture))
    return questions


def _llava(files: Sequence[Path], official: Sequence[Question]) -> list[Question]:
    """LLaVA's questions with the answers of the official ones of the same split, picture and text."""
    answers = {(question.categories[0], question.image, question.question): question for question in official}
    records = [record for path in files for record in read_json_lines(path, _LLAVA)]
    questions, absent = [], []
    for identifier, record in unique(records, lambda record: str(record["question_id"]), "question_id").items():
        record.one_of("category", POPE_SPLITS)
        text = record["text"].removesuffix(SHORT_ANSWER)
        match = answers.get((record["category"], record["image"], text))
        if match is None:
            absent.append(record)
        else:
            keys = {**match.keys, "llava": identifier}
            questions.append(evolve(match, text=record["text"], keys=keys))
    if absent:
        _fail_absent(absent, len(records))
    return questions


def _fail_absent(absent: Sequence[Record], count: int) -> None:
    hint = "take the version of coco_pope_*.json that they were made from"
    message = f"{len(absent)} of {count} questions are not in the official files, this one is the first"
    absent[0].fail(message, hint)
