"""What the runs of a study wrote, as plain records: results brought up to date from the study's folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from ..errors import StorageError
from ..storage.json_files import read_json, structured
from ..train.progress.log import is_complete, read_log
from .results import (
    NOT_REACHED,
    CellResult,
    CurvePoint,
    MetricFacts,
    MetricResult,
    RunResult,
    StudyResults,
)
from .run_place import RunPlace
from .shown import read_shown

_POINTS = 150
"""Most points of a run's learning curve."""

_OWN = ("model", "weights_sha256", "seconds")
_JUDGED = ("metrics", "scores")


def refreshed(results: StudyResults, folder: Path, *, check_processes: bool = True) -> StudyResults:
    """The results with every run as ``folder`` has it now. Files that are damaged count as not written.

    ``check_processes``: a run whose process is gone is shown as stopped. Without it the folder is only read, and a run
    has the state that its process wrote last, as is right where that process runs on another machine.
    """
    metrics: dict[str, MetricFacts] = {}
    evaluations: dict[str, Mapping[str, Any]] = {}
    cells = []
    seeds = _seeds(results, folder)
    for cell in results.cells:
        runs = []
        for seed in seeds:
            place = RunPlace(folder / "cells" / cell.name / f"seed-{seed}", cell.name, seed)
            scores = _judged(_read(place.scores))
            runs.append(_run(place, cell, folder, scores, check_processes))
            metrics |= _metrics(scores)
            settings = scores.get("settings")
            evaluations |= {
                name: _of_all_runs(one) for name, one in (settings.items() if isinstance(settings, dict) else ())
            }
        cells.append(evolve(cell, runs=tuple(runs)))
    if results.direction and results.primary in metrics:
        metrics[results.primary] = evolve(metrics[results.primary], direction=results.direction)
    return evolve(
        results,
        cells=tuple(cells),
        metrics=metrics,
        groups=_groups(metrics),
        evaluations=evaluations,
        written=time.strftime("%Y-%m-%d %H:%M:%S %z"),
    )


def _of_all_runs(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an evaluation without what is a run's own, such as the folder of its model."""
    return {name: value for name, value in settings.items() if name not in _OWN}


def _seeds(results: StudyResults, folder: Path) -> list[int]:
    """The seeds that the results have runs of, and then others that the folder has runs of."""
    named = dict.fromkeys(run.seed for cell in results.cells for run in cell.runs)
    others = {
        int(path.name.removeprefix("seed-"))
        for cell in results.cells
        for path in (folder / "cells" / cell.name).glob("seed-*")
        if path.name.removeprefix("seed-").isdecimal()
    }
    return [*named, *sorted(others - set(named))]


def _run(place: RunPlace, cell: CellResult, below: Path, scores: Mapping[str, Any], check_processes: bool) -> RunResult:
    status = place.status() if check_processes else place.written_status()
    model = _read(place.run / "model.json")
    done = status.state == "done"
    weights = model.get("weights")
    digest = weights.get("sha256", "") if isinstance(weights, dict) else ""
    return RunResult(
        seed=place.seed,
        state=status.state,
        reason=status.reason,
        folder=place.path.relative_to(below).as_posix(),
        seconds=status.seconds,
        scores=_scores(scores) if done else {},
        stages={name: status.stages.get(name, NOT_REACHED) for name in _stages(cell)},
        curve=_curve(place, cell),
        shown=read_shown(place.path / "shown", below) if done else (),
        weights_sha256=str(digest),
        resumes=status.resumes,
        skipped_steps=model.get("skipped_steps", 0) if isinstance(model.get("skipped_steps", 0), int) else 0,
    )


def _stages(cell: CellResult) -> Sequence[str]:
    """The stages that a cell trains, in order."""
    return tuple(cell.runs[0].stages) if cell.runs else tuple(cell.budget.stages)


def _curve(place: RunPlace, cell: CellResult) -> tuple[CurvePoint, ...]:
    """The log of a run, thinned to at most ``_POINTS`` entries of each stage's share."""
    path = place.run / "log.jsonl"
    try:
        entries = list(filter(is_complete, read_log(path))) if path.is_file() else []
    except StorageError:
        return ()
    before: dict[str, int] = {}
    samples = 0
    for name, stage in cell.budget.stages.items():
        before[name] = samples
        samples += stage.samples
    every = max(1, -(-len(entries) // _POINTS))
    points = []
    for number, entry in enumerate(entries):
        stage_name = entry.get("stage")
        if stage_name not in before or (number % every and entry is not entries[-1]):
            continue
        budget, step = cell.budget.stages[stage_name], entry["step"]
        seen = before[stage_name] + step * budget.samples // max(1, budget.steps)
        points.append(
            CurvePoint(stage_name, step, entry["total"], seen, float(entry.get("time", 0.0)), dict(entry["losses"]))
        )
    return tuple(points)


def _judged(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a file of scores without metrics that are neither better nor worse for being higher."""
    metrics = content.get("metrics")
    if not isinstance(metrics, dict) or not isinstance(content.get("scores"), dict):
        return content
    neutral = {name for name, facts in metrics.items() if isinstance(facts, dict) and facts.get("direction") == "none"}
    kept = {part: {name: one for name, one in content[part].items() if name not in neutral} for part in _JUDGED}
    return {**content, **kept}


def _scores(content: Mapping[str, Any]) -> dict[str, MetricResult]:
    try:
        return structured(content.get("scores", {}), dict[str, MetricResult])
    except ValueError:
        return {}


def _metrics(content: Mapping[str, Any]) -> dict[str, MetricFacts]:
    try:
        return structured(content.get("metrics", {}), dict[str, MetricFacts])
    except ValueError:
        return {}


def _groups(metrics: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for name in metrics:
        groups.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return {name: tuple(members) for name, members in groups.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, missing_ok=True)
    except StorageError:
        return {}
