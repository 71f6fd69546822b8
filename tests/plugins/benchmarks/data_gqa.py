"""GQA in its three formats: three balanced questions about two pictures, and one that is not balanced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import data_files
from data_files import encoded, write_lines, write_picture, write_table

SUFFIX = "\nAnswer the question using a single word or phrase."
QUESTIONS = {
    "201307251": ("n161313", "Is it overcast?", "no", "verify", "global"),
    "02930152": ("n161313", "What is on the table?", "t-shirt", "query", "rel"),
    "201968682": ("n235859", "Which color is the bag?", "light blue", "query", "attr"),
}


def official(key: str, balanced: bool = True) -> dict[str, Any]:
    image, question, answer, structural, semantic = QUESTIONS[key]
    types = {"structural": structural, "semantic": semantic, "detailed": "x"}
    return {"imageId": image, "question": question, "answer": answer, "isBalanced": balanced, "types": types}


def write_official(folder: Path) -> Path:
    questions = {key: official(key) for key in QUESTIONS} | {"7": official("201307251", balanced=False)}
    data_files.write_json(folder / "testdev_balanced_questions.json", questions)
    for number, image in enumerate(("n161313", "n235859")):
        write_picture(folder / "images" / f"{image}.jpg", number)
    return folder


def write_llava(folder: Path) -> Path:
    write_official(folder / "data")
    rows = [
        {"question_id": key, "image": f"{image}.jpg", "text": question + SUFFIX, "category": "default"}
        for key, (image, question, *_) in QUESTIONS.items()
    ]
    write_lines(folder / "llava_gqa_testdev_balanced.jsonl", rows)
    (folder / "data" / "images").rename(folder / "images")
    return folder


def write_vlmevalkit(folder: Path) -> Path:
    rows = [
        {"index": key, "image": encoded(int(image == "n235859")), "question": question, "answer": answer}
        for key, (image, question, answer, *_) in QUESTIONS.items()
    ]
    return write_table(folder / "GQA_TestDev_Balanced.tsv", rows)
