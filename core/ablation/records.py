"""The table of a study as plain records, for notebooks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..arguments import shown
from ..errors import Problem, UsageError
from .results import CellResult, RunResult
from .results_json import read_results

FILE = "study.json"


def study(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The runs of a study, one record per cell and seed.

    A record has ``cell``, ``seed``, ``state``, ``reason``, ``summary``, ``seconds``, ``parameters``, ``flops``,
    ``samples`` and ``folder``; ``axis.NAME`` for each axis that made the cell; and each metric under its name, with its
    interval over items as ``NAME.low`` and ``NAME.high``. Values that a run does not have are None, so that
    ``pandas.DataFrame(janiform.study("out"))`` is a table.

    Args:
        path: the study's folder (``--out`` of ``janiform ablate``), or its ``study.json``.

    Raises:
        UsageError: there is no such study.
        StorageError: its file is damaged.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"path must be the folder of a study, not {shown(path)}")
    file = Path(path)
    file = file / FILE if file.is_dir() else file
    if not file.is_file():
        hint = "give the --out folder of `janiform ablate`"
        raise UsageError(Problem(f"there is no file '{file}'", hint=hint))
    results = read_results(file)
    axes = dict.fromkeys(axis for cell in results.cells for axis in cell.values)
    return [_record(cell, run, list(axes), list(results.metrics)) for cell in results.cells for run in cell.runs]


def _record(cell: CellResult, run: RunResult, axes: list[str], metrics: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "cell": cell.name,
        "seed": run.seed,
        "state": run.state,
        "reason": run.reason,
        "summary": cell.summary,
        "seconds": run.seconds,
        "parameters": cell.budget.parameters.get("total"),
        "flops": cell.budget.flops,
        "samples": cell.budget.samples,
        "folder": run.folder,
        **{f"axis.{axis}": cell.values.get(axis) for axis in axes},
    }
    for metric in metrics:
        score = run.scores.get(metric)
        record[metric] = None if score is None else score.value
        record[f"{metric}.low"] = None if score is None else score.low
        record[f"{metric}.high"] = None if score is None else score.high
    return record
