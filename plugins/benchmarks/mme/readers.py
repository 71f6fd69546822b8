"""The questions of MME in the official folders, VLMEvalKit's table and LLaVA's questions.

The official folders have one text per picture with two lines, ``question<TAB>Yes`` and ``question<TAB>No``; in five
subtasks pictures and texts lie in two folders. Pictures of several subtasks have the same name. LLaVA's questions are
without their last sentence and without answers, and join the official ones by subtask, picture and text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from janiform import JaniformError, Origin, Problem, UsageError, read_bounded

from ..files import Fields, Record, read_json_lines, shown
from ..pictures import StoredPicture
from ..questions import Question
from ..recognise import MME_TASKS, DataFiles
from ..tables import read_table

ASKS_YES_OR_NO = "Please answer yes or no."
SHORT_ANSWER = "\nAnswer the question using a single word or phrase."

_TEXTS, _IMAGES = "questions_answers_YN", "images"
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_MAX_BYTES = 1 << 20
_LLAVA: Fields = {"question_id": str, "image": str, "text": str}


def read(data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
    """The questions, two per picture, one after the other. Raises ``UsageError``."""
    if data.format == "vlmevalkit":
        questions = _table(data.files[0])
    elif data.format == "llava":
        questions = _llava(data.files, _official(data.official))
    else:
        questions = _official(data.files)
    return questions, {"subtasks": len({question.categories for question in questions})}


def stripped(question: str) -> str:
    """The question without its last sentence, and without the spaces before that, of which some have two."""
    return question.strip().removesuffix(ASKS_YES_OR_NO).strip()


def _official(folders: Sequence[Path]) -> list[Question]:
    questions: list[Question] = []
    for folder in sorted(folders, key=lambda folder: MME_TASKS.index(folder.name)):
        images = folder / _IMAGES if _is_split(folder) else folder
        pictures = {path.stem: path for path in sorted(images.iterdir()) if path.suffix.lower() in _PICTURES}
        for path in texts_of(folder):
            questions += _of_picture(folder.name, path, pictures.get(path.stem))
    return questions


def texts_of(folder: Path) -> list[Path]:
    """The files with the questions of a subtask. Raises ``UsageError`` where there are none."""
    texts = folder / _TEXTS if _is_split(folder) else folder
    files = sorted(path for path in texts.iterdir() if path.suffix.lower() == ".txt")
    if not files:
        raise UsageError(f"'{texts}' holds no texts with questions: expected one .txt per picture")
    return files


def _is_split(folder: Path) -> bool:
    return (folder / _TEXTS).is_dir() and (folder / _IMAGES).is_dir()


def _of_picture(task: str, path: Path, picture: Path | None) -> list[Question]:
    name = path.stem if picture is None else picture.name
    image = f"{task}/{name}"
    stored = None if picture is None else StoredPicture(str(picture), f"'{picture}'", picture)
    questions: dict[str, Question] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        origin = Origin(str(path), number)
        question, tab, answer = line.rstrip("\r").rpartition("\t")
        answer = answer.strip()
        if not tab or answer not in ("Yes", "No") or not question.strip():
            raise UsageError(
                Problem(f"the line is {shown(line)}, expected a question, a tab, and Yes or No", origin=origin)
            )
        if answer in questions:
            raise UsageError(Problem(f"the picture has a second question with the answer {answer}", origin=origin))
        item = f"{image}/{answer.lower()}"
        keys = {"task": task, "image": name}
        questions[answer] = Question(item, image, question, answer, (task,), picture=stored, keys=keys)
    if len(questions) != 2:
        raise UsageError(f"'{path}' has {len(questions)} questions, expected two, one with Yes and one with No")
    return list(questions.values())


def _lines(path: Path) -> list[str]:
    try:
        return read_bounded(path, _MAX_BYTES).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise UsageError(f"'{path}' is not text in UTF-8") from None
    except JaniformError as error:
        raise UsageError(error.problems) from None


def _table(path: Path) -> list[Question]:
    questions = []
    for record in read_table(path, ("index", "image", "question", "answer", "category")):
        task = record.one_of("category", MME_TASKS)
        answer = record.one_of("answer", ("Yes", "No"))
        picture = record.pictures[0] if record.pictures else None
        name = record.get("image_path") or (picture.key if picture else record["index"])
        keys = {"task": task, "image": Path(name).name}
        image = name if name.startswith(f"{task}/") else f"{task}/{name}"
        question = record["question"]
        questions.append(Question(record["index"], image, question, answer, (task,), picture=picture, keys=keys))
    return questions


def _llava(files: Sequence[Path], official: Sequence[Question]) -> list[Question]:
    """LLaVA's questions with the official ones of the same subtask, picture and text."""
    by_text = {(question.image, stripped(question.question)): question for question in official}
    questions: list[Question] = []
    used: dict[str, Origin] = {}
    for record in (record for path in files for record in read_json_lines(path, _LLAVA)):
        text = stripped(record["text"].removesuffix(SHORT_ANSWER))
        match = by_text.get((record["question_id"], text))
        if match is None:
            hint = "question_id is {subtask}/{picture}, and the text that of the official data"
            record.fail(f"there is no such question of {shown(record['question_id'])} in the official data", hint)
        if match.item in used:
            record.fail(f"the question repeats: it is also at {used[match.item]}")
        used[match.item] = record.origin
        questions.append(evolve(match, text=record["text"]))
    return questions


def read_results(path: Path) -> list[Record]:
    """The lines of an official result file of a subtask: picture, question, answer and response, between tabs."""
    records = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        cells = line.rstrip("\r").split("\t")
        origin = Origin(str(path), number)
        if len(cells) != 4:
            message = f"the line has {len(cells)} cells, expected picture, question, answer and response between tabs"
            raise UsageError(Problem(message, origin=origin))
        records.append(Record(dict(zip(("image", "question", "gt", "response"), cells, strict=True)), origin))
    return records
