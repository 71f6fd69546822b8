"""A study before it is run: its cells, what each changes and takes, and how long that may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..recipe.values import toml_value
from ..units import count, duration, size, work
from .budget import Budgets, Seconds
from .collect import summary_of, telling_changes
from .study import Cell, Study

if TYPE_CHECKING:
    from rich.console import Console

CHANGES = 16
"""The most changes of a cell that are shown."""


def dry_run_facts(study: Study, budgets: Budgets, seconds: Seconds | None = None) -> dict[str, Any]:
    """Everything that ``--dry-run`` shows, as data for JSON.

    ``seconds`` measures a step of a stage of the baseline; the times of other cells follow by their FLOPs.
    """
    runs = len(study.settings.all_seeds)
    pace = None if seconds is None else _seconds_per_flop(study, budgets, seconds)
    times = [_product(budgets.of(cell.name).flops, pace) for cell in study.cells]
    cells = []
    for cell, time in zip(study.cells, times, strict=True):
        budget = budgets.of(cell.name)
        cells.append(
            {
                "name": cell.name,
                "summary": summary_of(cell),
                "values": dict(cell.values),
                "changes": [
                    {"path": change.path, "baseline": change.baseline, "value": change.value} for change in cell.changes
                ],
                "telling": _telling(cell),
                "stages": {name: stage.steps for name, stage in budget.stages.items()},
                "samples": budget.samples,
                "positions": dict(budget.positions),
                "flops": budget.flops,
                "seconds": time,
                "parameters": dict(budget.parameters),
                "residue": budget.residue,
                "disk": budget.disk,
            }
        )
    flops = [budgets.of(cell.name).flops for cell in study.cells]
    disk = sum(budgets.of(cell.name).disk for cell in study.cells) * runs
    return {
        "study": study.name,
        "baseline": study.baseline.name,
        "primary": study.settings.main.metric,
        "seeds": list(study.settings.all_seeds),
        "equal": budgets.sentence,
        "left_out": list(study.left_out),
        "cells": cells,
        "runs": runs * len(study.cells),
        "flops": None if None in flops else sum(filter(None, flops)) * runs,
        "disk": disk,
        "seconds": None if None in times else sum(filter(None, times)) * runs,
    }


def _seconds_per_flop(study: Study, budgets: Budgets, seconds: Seconds) -> float | None:
    """Seconds of the baseline's training by its FLOPs; None where these are not known."""
    baseline = study.baseline
    flops = budgets.of(baseline.name).flops
    if not flops:
        return None
    return sum(seconds(baseline, name) * baseline.recipe.stages[name].last for name in baseline.stages) / flops


def _product(number: float | None, factor: float | None) -> float | None:
    return None if number is None or factor is None else number * factor


def show_dry_run(facts: dict[str, Any], console: Console, table: Any) -> None:
    """Print the facts of a dry run."""
    timed = any(cell["seconds"] is not None for cell in facts["cells"])
    rows = table("Cell", "Parameters", "Samples", "FLOPs", *(["Time"] * timed), "Against the baseline")
    for column in rows.columns[1:-1]:
        column.justify = "right"
    for cell in facts["cells"]:
        flops = "–" if cell["flops"] is None else work(round(cell["flops"]))
        rows.add_row(
            cell["name"],
            count(cell["parameters"].get("total", 0)),
            count(cell["samples"]),
            flops,
            *([_duration(cell["seconds"])] * timed),
            cell["residue"],
        )
    console.print(rows)
    for cell in facts["cells"]:
        _show_changes(cell, console)
    seeds = ", ".join(map(str, facts["seeds"]))
    compared = f"baseline {facts['baseline']}, primary metric {facts['primary']}"
    console.print(f"{len(facts['cells'])} cells × seeds {seeds}: {facts['runs']} runs; {compared}")
    console.print(facts["equal"])
    if facts["left_out"]:
        console.print(f"left out: {', '.join(facts['left_out'])}")
    total = "FLOPs not known" if facts["flops"] is None else work(round(facts["flops"]))
    time = f", {_duration(facts['seconds'])} of training one after the other" if timed else ""
    console.print(f"all runs, shared stages counted for each: {total}{time}; disk: at most {size(facts['disk'])}")
    if not timed:
        console.print("--measure estimates the time, by short runs on this machine")


def _show_changes(cell: dict[str, Any], console: Console) -> None:
    """Print what a cell changes of the baseline, one line each; ``changes`` of the JSON have all settings."""
    lines = cell["telling"]
    if not lines:
        return
    console.print(f"{cell['name']}:")
    for line in lines[:CHANGES]:
        console.print(f"  {line}")
    if len(lines) > CHANGES:
        console.print(f"  and {len(lines) - CHANGES} more settings, which --json lists")
    console.print()


def _telling(cell: Cell) -> list[str]:
    """The changes of a cell that tell something, as lines."""
    stages, changes = telling_changes(cell)
    sides = [(change.path.removesuffix(".use"), change.baseline, change.value) for change in changes]
    return [*stages, *(f"{path}: {_side(before)} → {_side(after)}" for path, before, after in sides)]


def _side(value: Any) -> str:
    return "none" if value is None else toml_value(value).strip('"')


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)
