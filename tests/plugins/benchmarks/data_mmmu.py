"""Data of MMMU in its formats: a few questions of some subjects, with one or several pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
from data_files import encoded, picture_bytes, write_table
from pyarrow import parquet

ROWS: list[dict[str, Any]] = [
    {
        "id": "validation_Accounting_1",
        "question": "<image 1> What is the price?",
        "options": "['$6', '$7', '$8', '$9']",
        "answer": "B",
        "pictures": 1,
    },
    {
        "id": "validation_Accounting_2",
        "question": "Compare <image 2> with <image 1>.",
        "options": "['less', \"it's more\", 'equal']",
        "answer": "C",
        "pictures": 2,
    },
    {"id": "validation_Art_Theory_1", "question": "Which city? <image 1>", "answer": "['Tampa', 'Florida']"},
    {"id": "validation_Math_1", "question": "<image 1> What is x?", "answer": "0.286"},
    {"id": "validation_Basic_Medical_Science_10", "question": "Which organ in <image 1>?", "answer": "C"},
    {
        "id": "validation_Math_2",
        "question": "Choose.",
        "options": "['<image 1>', '<image 2>']",
        "answer": "A",
        "pictures": 2,
    },
    {"id": "dev_Math_1", "question": "<image 1> y?", "options": "['1', '2']", "answer": "A"},
    {"id": "test_Math_1", "question": "<image 1> z?", "options": "['1', '2']", "answer": "?"},
]
"""The rows of the hub; those without options are open questions."""

GOLD = {"validation_Accounting_1": "B", "validation_Accounting_2": "C", "validation_Art_Theory_1": "Tampa",
        "validation_Math_1": "0.286", "validation_Basic_Medical_Science_10": "C", "validation_Math_2": "A"}  # fmt: skip


def _picture(row: int, number: int) -> dict[str, Any]:
    return {"bytes": picture_bytes(10 * row + number), "path": None}


def hub_rows(**changes: Any) -> list[dict[str, Any]]:
    """The rows with seven columns of pictures each; ``changes`` replace values of the first row."""
    rows = []
    for position, row in enumerate(ROWS):
        pictures = row.get("pictures", 1)
        columns = {f"image_{n}": _picture(position, n) if n <= pictures else None for n in range(1, 8)}
        kind = "multiple-choice" if "options" in row else "open"
        rows.append({
            "id": row["id"], "question": row["question"], "options": row.get("options", "[]"), "explanation": "",
            **columns, "img_type": "['Tables']", "answer": row["answer"], "topic_difficulty": "Easy",
            "question_type": kind, "subfield": "x",
        })  # fmt: skip
    rows[0] |= changes
    return rows


def write_official(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A folder per subject with a file per split, as in MMMU/MMMU on the hub."""
    files: dict[Path, list[dict[str, Any]]] = {}
    for row in rows or hub_rows():
        split, subject = row["id"].partition("_")[0], row["id"].partition("_")[2].rpartition("_")[0]
        files.setdefault(folder / subject / f"{split}-00000-of-00001.parquet", []).append(row)
    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    for path, members in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        fields = [(name, picture if name[:6] == "image_" else pyarrow.string()) for name in members[0]]
        parquet.write_table(pyarrow.Table.from_pylist(members, pyarrow.schema(fields)), path)
    return folder


def write_vlmevalkit(folder: Path, **changes: Any) -> Path:
    """VLMEvalKit's table, without the questions of the test split; ``changes`` replace cells of the first row."""
    rows = []
    for position, row in enumerate(ROWS[:-1]):
        split, rest = row["id"].partition("_")[::2]
        pictures = [encoded(10 * position + n) for n in range(1, row.get("pictures", 1) + 1)]
        options = dict(zip("ABCD", eval(row.get("options", "[]")), strict=False))
        rows.append({
            "index": position + 1, "image": str(pictures) if len(pictures) > 1 else pictures[0],
            "question": row["question"], **{letter: options.get(letter, "") for letter in "ABCD"},
            "answer": row["answer"], "category": rest.rpartition("_")[0], "l2-category": "x", "split": split,
        })  # fmt: skip
    rows[0] |= changes
    return write_table(folder / "MMMU_DEV_VAL.tsv", rows)
