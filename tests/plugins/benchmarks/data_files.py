"""Writers of the files in which benchmarks are handed on: tables with pictures in base64, JSON lines, pictures."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def picture_bytes(number: int = 0, format: str = "PNG") -> bytes:
    """A small picture of one colour; numbers give different ones."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (number * 37 % 256, number * 101 % 256, number % 256)).save(file, format)
    return file.getvalue()


def encoded(number: int = 0) -> str:
    return base64.b64encode(picture_bytes(number)).decode()


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], separator: str = "\t") -> Path:
    """A table as pandas writes it: all columns of the first row, quotation marks only where they are needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_lines(path: Path, objects: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects), "utf-8")
    return path


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
    return path


def write_picture(path: Path, number: int = 0, format: str = "JPEG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(number, format))
    return path
