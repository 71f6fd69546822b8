"""SEED-Bench in its three formats: one question per dimension about pictures, and one about a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import data_files
from data_files import encoded, write_lines, write_picture, write_table

DIMENSIONS = (
    "Scene Understanding", "Instance Identity", "Instance Attributes", "Instance Location", "Instances Counting",
    "Spatial Relation", "Instance Interaction", "Visual Reasoning", "Text Understanding",
)  # fmt: skip
OPTIONS = {"A": "One", "B": "Two towels", "C": "3", "D": "None"}
INSTRUCTION = "Answer with the option's letter from the given choices directly."


def official(number: int) -> dict[str, Any]:
    return {
        "question_id": str(101669 + number),
        "question": f"How many towels are in picture {number}?",
        **{f"choice_{letter.lower()}": option for letter, option in OPTIONS.items()},
        "answer": "ABCD"[number % 4],
        "data_id": f"1454426_{number // 2}",
        "data_type": "image",
        "question_type_id": number + 1,
    }


def write_official(folder: Path) -> Path:
    video = {**official(0), "question_id": "v1738", "data_type": "video", "question_type_id": 10, "segment": [0, 2]}
    questions = [*(official(number) for number in range(9)), video]
    types = {name: number for number, name in enumerate(DIMENSIONS, start=1)}
    data_files.write_json(folder / "SEED-Bench.json", {"questions": questions, "question_type": types})
    for number in range(5):
        write_picture(folder / "SEED-Bench-image" / f"1454426_{number}", number)
    return folder


def write_llava(folder: Path) -> Path:
    write_official(folder)
    options = "\n".join(f"{letter}. {option}" for letter, option in OPTIONS.items())
    rows = [
        {
            "image": f"SEED-Bench-image/{item['data_id']}",
            "text": f"{item['question']}\n{options}\n{INSTRUCTION}",
            "category": DIMENSIONS[number],
            "question_id": int(item["question_id"]),
        }
        for number, item in enumerate(map(official, range(9)))
    ]
    video = {**rows[0], "question_id": "v1738", "category": "Action Recognition", "image": "SEED-Bench-video-image/1"}
    write_lines(folder / "llava-seed-bench.jsonl", [*rows, video])
    return folder


def write_vlmevalkit(folder: Path) -> Path:
    rows = [
        {
            "index": number,
            "image": encoded(number // 2),
            "question": item["question"],
            **OPTIONS,
            "answer": item["answer"],
            "category": DIMENSIONS[number],
        }
        for number, item in enumerate(map(official, range(9)))
    ]
    return write_table(folder / "SEEDBench_IMG.tsv", rows)
