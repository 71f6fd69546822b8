"""MMBench's table: questions with two to four options, and their rotations as rows of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_files import encoded, write_table

QUESTIONS: list[dict[str, Any]] = [
    {
        "index": 241,
        "question": "What is it?",
        "options": ["A dog", "A cat", "Two birds", "horse"],
        "answer": 1,
        "l2-category": "coarse_perception",
        "category": "image_topic",
    },
    {
        "index": 252,
        "question": "Which is heavier?",
        "hint": "They lie on scales.",
        "options": ["left", "right"],
        "answer": 0,
        "l2-category": "finegrained_perception (cross-instance)",
        "category": "attribute_comparison",
    },
    {
        "index": 7,
        "question": "How many?",
        "options": ["1", "2", "None"],
        "answer": 2,
        "l2-category": "coarse_perception",
        "category": "image_scene",
    },
]
ROTATION = 1_000_000


def rows(chinese: bool = False, split: str = "dev") -> list[dict[str, Any]]:
    """All rows, those without rotation first; the options of the k-th rotation begin with the k-th option."""
    result = []
    for turn in range(4):
        for number, question in enumerate(QUESTIONS):
            options = question["options"]
            if turn >= len(options):
                continue
            turned = options[turn:] + options[:turn]
            cells = dict(zip("ABCD", turned + [""] * (4 - len(turned)), strict=True))
            result.append({
                "index": turn * ROTATION + question["index"],
                "question": "它是什么?" if chinese else question["question"], "hint": question.get("hint", ""), **cells,
                "answer": "ABCD"[turned.index(options[question["answer"]])],
                "category": question["category"], "l2-category": question["l2-category"], "split": split,
                # A rotation names the row with the picture, as in VLMEvalKit.
                "image": str(question["index"]) if turn else encoded(number),
            })  # fmt: skip
    return result


def gold(item: str) -> str:
    """The letter of the correct option."""
    index = int(item.rpartition("/")[2])
    return next(row["answer"] for row in rows() if row["index"] == index)


def write_vlmevalkit(folder: Path, name: str = "MMBench_DEV_EN.tsv", drop: tuple[str, ...] = (), **more: Any) -> Path:
    """The table without some columns; ``more`` are settings of ``rows``."""
    kept = [{key: value for key, value in row.items() if key not in drop} for row in rows(**more)]
    return write_table(folder / name, kept)
