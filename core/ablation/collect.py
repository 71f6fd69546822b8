"""From the folder of a study to its results: what every run wrote, as plain records."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from ..errors import StorageError
from ..recipe.values import toml_value
from ..storage.json_files import read_json, structured
from ..train.progress.log import read_log
from ..train.run.provenance import command, git_state, versions
from .budget import Budgets
from .folder import RunPlace, StudyFolder
from .results import (
    CellChange,
    CellResult,
    CurvePoint,
    MetricFacts,
    MetricResult,
    RunResult,
    StudyResults,
)
from .shown import read_shown
from .study import Cell, Change, Study

_POINTS = 150
"""Most points of a run's learning curve."""

_NAMED = ("use", "share", "recipe")
_OWN = ("model", "weights_sha256", "seconds")
_JUDGED = ("metrics", "scores")


def collect(study: Study, folder: StudyFolder, budgets: Budgets, tokenizer: str) -> StudyResults:
    """The results of a study as far as they are there. Files that are damaged count as not written."""
    metrics: dict[str, MetricFacts] = {}
    evaluations: dict[str, Mapping[str, Any]] = {}
    cells = []
    seeds = [*study.settings.all_seeds, *_other_seeds(study, folder)]
    for cell in study.cells:
        runs = []
        for seed in seeds:
            place = folder.place(cell.name, seed)
            scores = _judged(_read(place.scores))
            runs.append(_run(place, cell, folder.path, scores))
            metrics |= _metrics(scores)
            evaluations |= {name: _of_all_runs(settings) for name, settings in (scores.get("settings") or {}).items()}
        changes = tuple(CellChange(change.path, _toml(change.baseline), _toml(change.value)) for change in cell.changes)
        cells.append(
            CellResult(cell.name, summary_of(cell), dict(cell.values), changes, budgets.of(cell.name), tuple(runs))
        )
    main = study.settings.main
    if main.direction and main.metric in metrics:
        metrics[main.metric] = evolve(metrics[main.metric], direction=main.direction)
    return StudyResults(
        name=study.name,
        description=study.settings.description,
        study_text=study.text,
        baseline=study.baseline.name,
        primary=main.metric,
        margin=main.margin,
        planned_seeds=folder.lock.planned_seeds,
        metrics=metrics,
        groups=_groups(metrics),
        cells=tuple(cells),
        left_out=study.left_out,
        tokenizer=tokenizer,
        equal=budgets.sentence,
        evaluations=evaluations,
        provenance={"command": command(), "versions": versions(), "git": git_state(), "hardware": _hardware()},
        written=time.strftime("%Y-%m-%d %H:%M:%S %z"),
    )


def summary_of(cell: Cell) -> str:
    """What a cell changes against the baseline, in a few words: stages, then components, then settings."""
    if not cell.changes:
        return cell.summary or "the baseline"
    if cell.summary:
        return cell.summary
    stages, changes = telling_changes(cell)
    shown = [*stages, *map(_short, changes)]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more settings" if len(shown) > 3 else "")


def telling_changes(cell: Cell) -> tuple[list[str], list[Change]]:
    """Which stages a cell leaves out or adds, and all further changes: first components, and then settings.

    Settings of parts, stages and sources that only one side has, or that are other components there, are left out.
    """
    stages = next((change for change in cell.changes if change.path == "training.stages"), None)
    other = _added_or_left_out(cell.changes)
    kept = [change for change in cell.changes if change is not stages and not _within(change, other)]
    named = [change for change in kept if change.path.rsplit(".", 1)[-1] in _NAMED]
    settings = [change for change in kept if change not in named and not _below(change, named)]
    return _stage_words(stages), [*named, *settings]


def _stage_words(stages: Change | None) -> list[str]:
    """Which stages a cell leaves out, and which it adds."""
    if stages is None:
        return []
    left, right = list(stages.baseline), list(stages.value)
    without, more = [name for name in left if name not in right], [name for name in right if name not in left]
    words = [f"without {' and '.join(without)}" if without else "", f"with {' and '.join(more)}" if more else ""]
    return [word for word in words if word] or ["stages in another order"]


def _added_or_left_out(changes: Sequence[Change]) -> set[str]:
    """The stages and sources that only one side has, as ``stage.NAME``; their settings say nothing of their own."""
    sides: dict[str, set[tuple[bool, bool]]] = {}
    for change in changes:
        section, *rest = change.path.split(".")
        if section in ("stage", "source") and rest:
            sides.setdefault(f"{section}.{rest[0]}", set()).add((change.baseline is None, change.value is None))
    keys = {"stage": "objective.use", "source": "use"}
    paths = {change.path for change in changes if change.baseline is None or change.value is None}
    return {name for name in sides if f"{name}.{keys[name.partition('.')[0]]}" in paths}


def _within(change: Change, names: set[str]) -> bool:
    return any(change.path.startswith(f"{name}.") for name in names)


def _below(change: Change, named: Sequence[Change]) -> bool:
    """Whether a setting belongs to a part whose component changed, so that it says nothing new."""
    parts = {other.path.rsplit(".", 1)[0] for other in named}
    return any(change.path.startswith(f"{part}.") for part in parts)


def _short(change: Change) -> str:
    part, _, name = change.path.rpartition(".")
    value = "–" if change.value is None else str(change.value).partition("@")[0]
    if name == "use":
        return f"{part.rpartition('.')[2]} {value}" if change.value is not None else f"no {part.rpartition('.')[2]}"
    if name == "share":
        return f"{part.rpartition('.')[2]} shared with {value}" if change.value is not None else f"own {part}"
    return f"{change.path} {_toml(change.value) or '–'}"


def _of_all_runs(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an evaluation without what is a run's own, such as the folder of its model."""
    return {name: value for name, value in settings.items() if name not in _OWN}


def _toml(value: Any) -> str:
    return "" if value is None else toml_value(value)


def _other_seeds(study: Study, folder: StudyFolder) -> list[int]:
    """Seeds that the folder has runs of, and the study no longer names."""
    found = {
        int(path.name.removeprefix("seed-"))
        for cell in study.cells
        for path in (folder.path / "cells" / cell.name).glob("seed-*")
        if path.name.removeprefix("seed-").isdecimal()
    }
    return sorted(found - set(study.settings.all_seeds))


def _run(place: RunPlace, cell: Cell, below: Path, scores: Mapping[str, Any]) -> RunResult:
    status = place.status()
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
        stages=_stages(cell, status.stages),
        curve=_curve(place, cell),
        shown=read_shown(place.path / "shown", below) if done else (),
        weights_sha256=str(digest),
        resumes=status.resumes,
        skipped_steps=model.get("skipped_steps", 0) if isinstance(model.get("skipped_steps", 0), int) else 0,
    )


def _stages(cell: Cell, reached: Mapping[str, str]) -> dict[str, str]:
    return {name: reached.get(name, "not reached") for name in cell.stages}


def _curve(place: RunPlace, cell: Cell) -> tuple[CurvePoint, ...]:
    """The log of a run, thinned to at most ``_POINTS`` entries of each stage's share."""
    path = place.run / "log.jsonl"
    try:
        entries = read_log(path) if path.is_file() else []
    except StorageError:
        return ()
    before: dict[str, int] = {}
    samples = 0
    for name in cell.stages:
        before[name] = samples
        samples += cell.recipe.stages[name].last * cell.recipe.stages[name].batch
    every = max(1, -(-len(entries) // _POINTS))
    points = []
    for number, entry in enumerate(entries):
        stage = entry.get("stage")
        if stage not in before or (number % every and entry is not entries[-1]):
            continue
        step = entry["step"]
        seen = before[stage] + step * cell.recipe.stages[stage].batch
        points.append(
            CurvePoint(stage, step, entry["total"], seen, float(entry.get("time", 0.0)), dict(entry["losses"]))
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


def _hardware() -> dict[str, Any]:
    import os
    import platform

    return {"machine": platform.machine(), "processors": os.cpu_count(), "system": platform.system()}
