"""Tables of scores, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from .output import console, echo, table

if TYPE_CHECKING:
    from ..contracts import Score
    from ..evaluate.results import Result


def show_scores(results: Mapping[str, Result]) -> None:
    """Print the scores as tables; below each, scores at chance or at the floor, and the settings."""
    for name, result in results.items():
        if len(results) > 1:
            echo(name)
        _show(result)


def _show(result: Result) -> None:
    from ..evaluate.runner import uninformative

    rows = table("", "Score", "95 % interval", "Items")
    for column in rows.columns[1:]:
        column.justify = "right"
    for group, names in groupby(result.scores, key=lambda name: name.rpartition(".")[0]):
        rows.add_row(group.replace("_", " "), "", "", "", style="bold")
        for name in names:
            score, arrow = result.scores[name], "↓" if result.metrics[name].direction == "down" else ""
            label = name.rpartition(".")[2].replace("_", " ")
            rows.add_row(f"  {label} {arrow}", f"{score.value:.3f}", _interval(score), str(score.count))
        rows.add_section()
    out = console()
    out.print(rows)
    levels = {name: uninformative(score, result.metrics[name]) for name, score in result.scores.items()}
    for level, what in {"chance": "random answers", "floor": "zero"}.items():
        if listed := ", ".join(name for name in levels if levels[name] == level):
            out.print(f"Not distinguishable from {what}: {listed}", soft_wrap=True)
    facts = ", ".join(f"{name} {value}" for name, value in result.settings.items() if value != "")
    out.print(facts, style="dim", soft_wrap=True)


def _interval(score: Score) -> str:
    return "" if score.low is None or score.high is None else f"{score.low:.3f} – {score.high:.3f}"
