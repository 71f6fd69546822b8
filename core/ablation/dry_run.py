"""A study before it is run: its cells, what each changes and takes, and how long that may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..units import count, size
from .budget import Budgets
from .collect import summary_of
from .study import Study

if TYPE_CHECKING:
    from rich.console import Console

_FLOAT32_OF_BFLOAT16 = 2


def dry_run_facts(study: Study, budgets: Budgets) -> dict[str, Any]:
    """Everything that ``--dry-run`` shows, as data for JSON."""
    runs = len(study.settings.all_seeds)
    cells = []
    for cell in study.cells:
        budget = budgets.of(cell.name)
        cells.append(
            {
                "name": cell.name,
                "summary": summary_of(cell),
                "values": dict(cell.values),
                "changes": [
                    {"path": change.path, "baseline": change.baseline, "value": change.value} for change in cell.changes
                ],
                "stages": {name: stage.steps for name, stage in budget.stages.items()},
                "samples": budget.samples,
                "positions": dict(budget.positions),
                "flops": budget.flops,
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
        "disk": disk * (1 + _FLOAT32_OF_BFLOAT16 * 2),
    }


def show_dry_run(facts: dict[str, Any], console: Console, table: Any) -> None:
    """Print the facts of a dry run."""
    rows = table("Cell", "Changes", "Parameters", "Samples", "FLOPs", "Against the baseline")
    for column in rows.columns[2:5]:
        column.justify = "right"
    for cell in facts["cells"]:
        flops = "–" if cell["flops"] is None else count(round(cell["flops"]))
        rows.add_row(
            cell["name"],
            cell["summary"],
            count(cell["parameters"].get("total", 0)),
            count(cell["samples"]),
            flops,
            cell["residue"],
        )
    console.print(rows)
    seeds = ", ".join(map(str, facts["seeds"]))
    compared = f"baseline {facts['baseline']}, primary metric {facts['primary']}"
    console.print(f"{len(facts['cells'])} cells × seeds {seeds}: {facts['runs']} runs; {compared}")
    console.print(facts["equal"])
    if facts["left_out"]:
        console.print(f"left out: {', '.join(facts['left_out'])}")
    total = "not known" if facts["flops"] is None else f"{count(round(facts['flops']))}, less what cells share"
    console.print(f"training FLOPs of all runs: {total}; disk at most {size(facts['disk'])}")
