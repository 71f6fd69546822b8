"""A line of the log as flat numbers, by the names under which they are plotted."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

_APART = ("stage", "step", "steps", "total")
"""Where a line belongs; not plotted."""


def figures(line: Mapping[str, Any]) -> dict[str, float]:
    """``losses.text`` as ``losses/text``, and everything that is one number as ``run/NAME``; no others."""
    found: dict[str, float] = {}
    for name, value in line.items():
        pairs = value.items() if isinstance(value, Mapping) else [("", value)]
        for inner, number in pairs:
            if name not in _APART and isinstance(number, int | float) and isfinite(number):
                found[f"{name}/{inner}" if inner else f"run/{name}"] = float(number)
    return found


def table(answers: tuple[tuple[str, str, str], ...]) -> str:
    """Questions, answers and what the data has, as a table in Markdown."""

    def cell(text: str) -> str:
        return " ".join(text.split()).replace("|", "\\|")

    rows = [f"| {cell(asked)} | {cell(answer)} | {cell(wanted)} |" for asked, answer, wanted in answers]
    return "\n".join(["| question | answer | in the data |", "|---|---|---|", *rows])
