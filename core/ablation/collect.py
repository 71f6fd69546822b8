"""From a study and its folder to results: its cells as they are planned, and what every run wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..recipe.values import toml_value
from ..train.run.provenance import command, git_state, versions
from .budget import Budgets
from .folder import StudyFolder
from .refresh import refreshed
from .results import NOT_REACHED, CellChange, CellResult, RunResult, StudyResults
from .study import Cell, Change, Study

_NAMED = ("use", "share", "recipe")


def collect(study: Study, folder: StudyFolder, budgets: Budgets, tokenizer: str) -> StudyResults:
    """The results of a study as far as they are there. Files that are damaged count as not written."""
    seeds = folder.lock.planned_seeds
    main = study.settings.main
    planned = StudyResults(
        name=study.name,
        description=study.settings.description,
        study_text=study.text,
        baseline=study.baseline.name,
        primary=main.metric,
        direction=main.direction,
        margin=main.margin,
        planned_seeds=seeds,
        metrics={},
        groups={},
        cells=tuple(_planned(cell, budgets, study.settings.all_seeds) for cell in study.cells),
        left_out=study.left_out,
        tokenizer=tokenizer,
        equal=budgets.sentence,
        provenance={"command": command(), "versions": versions(), "git": git_state(), "hardware": _hardware()},
    )
    return refreshed(planned, folder.path)


def _planned(cell: Cell, budgets: Budgets, seeds: Sequence[int]) -> CellResult:
    """A cell before any of its runs begins."""
    changes = tuple(CellChange(change.path, _toml(change.baseline), _toml(change.value)) for change in cell.changes)
    runs = tuple(RunResult(seed, stages=dict.fromkeys(cell.stages, NOT_REACHED)) for seed in seeds)
    return CellResult(cell.name, summary_of(cell), dict(cell.values), changes, budgets.of(cell.name), runs)


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


def _toml(value: Any) -> str:
    return "" if value is None else toml_value(value)


def _hardware() -> dict[str, Any]:
    import os
    import platform

    return {"machine": platform.machine(), "processors": os.cpu_count(), "system": platform.system()}
