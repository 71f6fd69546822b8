"""MME in its three formats: all subtasks with two pictures each, and a double space in one question, as there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_files import encoded, write_lines, write_picture, write_table

PERCEPTION = ("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR")
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
TASKS = PERCEPTION + COGNITION
SPLIT = ("artwork", "celebrity", "landmark", "posters", "scene")
ASKS = " Please answer yes or no."
SUFFIX = "\nAnswer the question using a single word or phrase."


def questions() -> Iterator[tuple[str, str, str, str]]:
    """Subtask, picture, question and answer."""
    for task in TASKS:
        for number in (1, 2):
            for answer in ("Yes", "No"):
                double = " " if (task, number, answer) == ("color", 1, "No") else ""
                name = "000001.jpg" if number == 1 else "000002.png"  # stems are the same in all subtasks
                yield task, name, f"Is {answer} right for {task} {number}?{double}{ASKS}", answer


def write_official(folder: Path, level: str = "MME_Benchmark_release_version") -> Path:
    for position, (task, name, question, answer) in enumerate(questions()):
        place = folder / level / task
        images, texts = (place / "images", place / "questions_answers_YN") if task in SPLIT else (place, place)
        write_picture(images / name, position // 2, "PNG" if name.endswith("png") else "JPEG")
        texts.mkdir(parents=True, exist_ok=True)
        with (texts / f"{Path(name).stem}.txt").open("a") as file:
            file.write(f"{question}\t{answer}\n")
    return folder


def write_llava(folder: Path) -> Path:
    write_official(folder)
    rows = [
        {
            "question_id": f"{task}/{name}",
            "image": f"MME_Benchmark_release_version/{task}/{name}",
            "text": f"{question.removesuffix(ASKS).strip()}{SUFFIX}",
            "category": task,
        }
        for task, name, question, _ in questions()
    ]
    write_lines(folder / "llava_mme.jsonl", rows)
    return folder


def write_vlmevalkit(folder: Path) -> Path:
    rows = [
        {
            "index": position,
            "image": encoded(position // 2),
            "image_path": f"{task}/{name}",
            "question": question,
            "answer": answer,
            "category": task,
        }
        for position, (task, name, question, answer) in enumerate(questions())
    ]
    return write_table(folder / "MME.tsv", rows)
