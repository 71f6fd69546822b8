"""What a study needs before its first run: its folder, equal budgets, and the text tokenizers of its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import asdict, field, frozen

from ..errors import Problem, StorageError, UsageError, nearest
from ..evaluate.benchmarks import build_benchmark
from ..evaluate.losses import LOSS_METRICS
from ..planning.design import design_costs
from ..recipe.write import plain_settings
from ..storage.json_files import read_json, structured, write_json
from .budget import Budgets, budgets_of
from .folder import StudyFolder, design_digest
from .read import read_study
from .resolve import with_solved
from .seconds import measured_seconds
from .study import Study
from .text import prepare_text

BUDGETS = "budgets.json"


@frozen(eq=False)
class PreparedStudy:
    """A study that can be run. ``tokenizers``: the folder of each cell's text tokenizer, where they share one."""

    study: Study
    folder: StudyFolder
    budgets: Budgets
    tokenizers: Mapping[str, Path] = field(factory=dict)


def planned(path: str | Path, say: Callable[[str], None] = lambda sentence: None) -> tuple[Study, Budgets]:
    """A study with equal budgets, as a dry run shows it; nothing is written.

    Raises what ``read_study`` and ``budgets_of`` raise, and ``UsageError`` for a metric that no benchmark gives.
    """
    study = read_study(path)
    check_metric(study)
    budgets = budgets_of(study, design_costs, measured_seconds(say))
    return with_solved(study, budgets.solved), budgets


def check_metric(study: Study) -> None:
    """Raise ``UsageError`` where no evaluation gives the primary metric."""
    several = len(study.evaluations) > 1
    known: list[str] = []
    for name, use in study.evaluations.items():
        benchmark = build_benchmark(use.component, plain_settings(use.config))
        prefix = f"{name}." if several else ""
        known += [prefix + metric for metric in (*benchmark.metrics, *LOSS_METRICS)]
    metric = study.settings.main.metric
    if metric not in known:
        message = f"no evaluation of the study gives the metric '{metric}'"
        raise UsageError(Problem(message, "primary", hint=nearest(metric, known)))


def prepare(path: str | Path, out: Path, say: Callable[[str], None]) -> PreparedStudy:
    """Prepare a study for running, in a new folder or in its own.

    Budgets that were solved before are kept while the designs are what they were, so that runs stay comparable.

    Raises what ``planned``, ``StudyFolder.open`` and ``prepare_text`` raise.
    """
    study = read_study(path)
    check_metric(study)
    folder = StudyFolder.open(out, study)
    for note in folder.notes:
        say(note)
    budgets = _stored(folder, study)
    if budgets is None:
        budgets = budgets_of(study, design_costs, measured_seconds(say))
        write_json(out / BUDGETS, {"designs": _designs(study), **asdict(budgets)})
    folder = folder.with_solved(budgets.solved)
    study = with_solved(study, budgets.solved)
    return PreparedStudy(study, folder, budgets, prepare_text(study, folder.tokenizers, say))


def reopen(path: str | Path, out: Path) -> PreparedStudy:
    """A prepared study as one of its runs sees it: nothing is solved or written.

    Raises ``UsageError`` where the folder is not prepared, or the study's file has changed since.
    """
    study = read_study(path)
    folder = StudyFolder.read(out, study)
    changed = [
        cell.name
        for cell in study.cells
        if cell.name not in folder.lock.cells or folder.lock.cells[cell.name].design != design_digest(cell)
    ]
    if changed:
        message = f"{path} has changed since {out} was prepared: {', '.join(changed[:5])}"
        raise UsageError(Problem(message, hint=f"run: janiform ablate {path} --out {out}"))
    budgets = _stored(folder, study) or Budgets()
    study = with_solved(study, {name: cell.solved for name, cell in folder.lock.cells.items()})
    tokenizers = prepare_text(study, folder.tokenizers, lambda sentence: None)
    return PreparedStudy(study, folder, budgets, tokenizers)


def _designs(study: Study) -> dict[str, str]:
    equal = digest_of_equal(study)
    return {cell.name: f"{design_digest(cell)} {equal}" for cell in study.cells}


def digest_of_equal(study: Study) -> str:
    """What is held equal, and with which cell, as a short text."""
    equal = study.settings.budget
    return f"{equal.currency}/{equal.stage}/{equal.setting}/{equal.multiple}/{design_digest(study.baseline)}"


def _stored(folder: StudyFolder, study: Study) -> Budgets | None:
    """The budgets that were solved for these designs; None where there are none."""
    try:
        content = read_json(folder.path / BUDGETS, missing_ok=True)
        if content.pop("designs", None) != _designs(study):
            return None
        return structured(content, Budgets)
    except (StorageError, ValueError):
        return None
