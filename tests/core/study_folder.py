"""The folder of a study as ``ablate`` leaves it before its first run, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from janiform.ablation.results import NOT_REACHED, CellBudget, CellResult, RunResult, StageBudget, StudyResults
from janiform.ablation.results_json import write_results


def make_study(folder: Path, *, cells: Sequence[str], seeds: Sequence[int]) -> Path:
    """A study whose cells train the stages ``first`` and ``all`` for 6 and 8 steps; the first cell is the baseline."""
    folder.mkdir(parents=True)
    (folder / "study.lock.json").write_text("{}")
    budget = CellBudget({"first": StageBudget(6, 24), "all": StageBudget(8, 32)}, samples=56)
    runs = tuple(RunResult(seed, stages={"first": NOT_REACHED, "all": NOT_REACHED}) for seed in seeds)
    results = StudyResults(
        name="study", description="", study_text="", baseline=cells[0], primary="loss.picture", margin=0.0,
        planned_seeds=tuple(seeds), metrics={}, groups={},
        cells=tuple(CellResult(cell, "", {}, (), budget, runs) for cell in cells),
    )  # fmt: skip
    write_results(results, folder / "study.json", {})
    return folder
