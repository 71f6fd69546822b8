"""Data of MM-Vet in its formats, and files that hold a prompt for its judge as the evaluators do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data_files import encoded, write_json, write_lines, write_picture, write_table

QUESTIONS: dict[str, dict[str, Any]] = {
    "v1_0": {"question": "What is x?", "answer": "-1<AND>-5", "capability": ["ocr", "math"]},
    "v1_1": {"question": "Who is it?", "answer": "Ada<OR>Lovelace", "capability": ["rec", "know", "gen"]},
    "v1_2": {"question": "How many?", "answer": "3", "capability": ["rec"]},
    "v1_3": {"question": "Which | side?", "answer": "left", "capability": ["know", "rec", "gen"]},
}
"""Questions by their keys; the last two share a picture."""

IMAGES = {"v1_0": "a.png", "v1_1": "b.jpg", "v1_2": "c.jpg", "v1_3": "c.jpg"}

_ROWS = [f"How many? | {number} | {number} | 0.{number}" for number in range(6)] + ["How many? | 7 | 7 | 1.0"]


def prompt_text(form: str = "official") -> str:
    """A prompt of our own with the shape of the official one."""
    rows, header = _ROWS, "Question | Ground truth | Prediction | Correctness"
    if form == "vlmevalkit":
        rows = [row.replace("? | ", "? |\n", 1) for row in rows]
    if form == "lmms-eval":
        header = header.replace("Question", "gpt_query_prompt")
    return "\n".join(["Grade the prediction.", "", header, "--- | --- | --- | ---", *rows, ""])


def write_prompt(path: Path, form: str = "official") -> Path:
    """A file with the prompt: a Python file, a notebook or a text, by its name."""
    source = f'import openai\n\nprompt = """{prompt_text(form)}"""\n\n\ndef main():\n    print(f"{{prompt}} | x")\n'
    if path.suffix == ".ipynb":
        code = [
            {"cell_type": "markdown", "source": ["# MM-Vet"]},
            {"cell_type": "code", "source": ["!pip install x\n"]},
        ]
        code.append({"cell_type": "code", "source": source.splitlines(keepends=True)})
        source = json.dumps({"cells": code})
    path.write_text(source if path.suffix != ".txt" else prompt_text(form), "utf-8")
    return path


def write_official(folder: Path) -> Path:
    data = {key: {**value, "imagename": IMAGES[key], "imagesource": "x"} for key, value in QUESTIONS.items()}
    write_json(folder / "mm-vet.json", data)
    for number, name in enumerate(sorted(set(IMAGES.values()))):
        write_picture(folder / "images" / name, number, "PNG" if name.endswith("png") else "JPEG")
    return folder


def write_vlmevalkit(folder: Path) -> Path:
    numbers = {name: number for number, name in enumerate(sorted(set(IMAGES.values())))}
    rows = [
        {
            "index": index,
            "image": encoded(numbers[IMAGES[key]]),
            "question": value["question"],
            "answer": value["answer"],
            "category": ",".join(value["capability"]),
        }
        for index, (key, value) in enumerate(QUESTIONS.items())
    ]
    return write_table(folder / "MMVet.tsv", rows)


def write_llava(folder: Path) -> Path:
    lines = [
        {"question_id": number, "image": IMAGES[key], "text": value["question"], "category": "default"}
        for number, (key, value) in enumerate(QUESTIONS.items())
    ]
    return write_lines(folder / "llava-mm-vet.jsonl", lines)
