"""A log entry as flat numbers, by the names under which they are plotted."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

_POSITION = ("stage", "step", "steps", "total")
"""Keys with the position of an entry in the run; they are not plotted."""


def figures(entry: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of an entry: ``losses.text`` as ``losses/text``, and top-level numbers as ``run/NAME``."""
    numbers: dict[str, float] = {}
    for name, value in entry.items():
        pairs = value.items() if isinstance(value, Mapping) else [("", value)]
        for inner, number in pairs:
            if name not in _POSITION and isinstance(number, int | float) and isfinite(number):
                numbers[f"{name}/{inner}" if inner else f"run/{name}"] = float(number)
    return numbers


def table(answers: tuple[tuple[str, str, str], ...]) -> str:
    """A Markdown table of questions, answers and the answers in the data."""

    def cell(text: str) -> str:
        return " ".join(text.split()).replace("|", "\\|")

    rows = [f"| {cell(question)} | {cell(answer)} | {cell(expected)} |" for question, answer, expected in answers]
    return "\n".join(["| question | answer | in the data |", "|---|---|---|", *rows])
