"""The folder of a study, which is its state: what lies in it decides what is still to be done.

OUT/study.toml, study.lock.json        the study's text; its cells with the digests of their designs, planned seeds
OUT/tokenizers/DIGEST/tokenizer.json   the text tokenizer that cells share, one for each set of text settings
OUT/budgets.json                       what every cell takes, and what was solved for it
OUT/nodes/KEY/                         finished stages, by what they read and do
OUT/cells/NAME/seed-0/                 run/ (as `train` writes it); status, keys, scores, items, shown, log
OUT/earlier/NAME-seed-0-DIGEST/        runs of designs that the study no longer has
OUT/study.html, study.json, …          the results
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import asdict, evolve, field, frozen

from ..errors import Problem, StorageError, UsageError
from ..recipe.write import plain_settings
from ..storage.atomic import explained, sweep, text_writer, write_files
from ..storage.json_files import json_writer, read_json, structured, write_json
from .keys import digest_of
from .resolve import design_values
from .run_place import RunPlace
from .study import Cell, Study

LOCK_FORMAT = 1
_LOCK = "study.lock.json"


@frozen
class CellLock:
    """What was planned of a cell. ``design``: the digest of its settings. ``solved``: settings by path that make its
    budget equal.
    """

    design: str
    values: Mapping[str, str] = field(factory=dict)
    solved: Mapping[str, int] = field(factory=dict)


@frozen
class StudyLock:
    """What was planned when a study began, and what was added since.

    ``planned_seeds``: those of the beginning; seeds that were added later are a choice made after results were seen.
    """

    format: int
    name: str
    planned_seeds: tuple[int, ...]
    cells: Mapping[str, CellLock]


@frozen
class StudyFolder:
    """The folder of a study. ``notes``: what changed since it was last run, in sentences."""

    path: Path
    lock: StudyLock
    notes: tuple[str, ...] = ()

    @property
    def nodes(self) -> Path:
        return self.path / "nodes"

    @property
    def tokenizers(self) -> Path:
        return self.path / "tokenizers"

    def place(self, cell: str, seed: int) -> RunPlace:
        return RunPlace(self.path / "cells" / cell / f"seed-{seed}", cell, seed)

    @classmethod
    def open(cls, path: Path, study: Study) -> StudyFolder:
        """Begin a study in a new or empty folder, or continue the one in it.

        Runs of a cell whose design was changed are moved to ``earlier``; finished runs of other cells stay valid.

        Raises:
            UsageError: the folder holds something else, or another study; with what differs.
            StorageError: the folder cannot be written.
        """
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file; give --out a folder")
        with explained("read", path):
            existing = [entry.name for entry in path.iterdir() if entry.name != _LOCK] if path.is_dir() else []
        if not (path / _LOCK).is_file():
            if existing:
                raise UsageError(f"{path} is not empty, and is not the folder of a study: choose another --out")
            folder = cls(path, lock_of(study))
            folder._write(study)
            return folder
        sweep(path)
        before = _read_lock(path / _LOCK)
        now = lock_of(study)
        if problems := _another_study(before, now):
            message = f"{path} holds another study, '{before.name}'"
            raise UsageError([Problem(message, hint="choose another --out"), *problems])
        notes = [*_moved(path, before, now), *_additions(before, now)]
        folder = cls(path, evolve(now, planned_seeds=before.planned_seeds), tuple(notes))
        folder._write(study)
        return folder

    @classmethod
    def read(cls, path: Path, study: Study) -> StudyFolder:
        """The folder as it is; nothing is written. Raises ``UsageError`` where it is not the folder of the study."""
        if not (path / _LOCK).is_file():
            raise UsageError(f"{path} is not the folder of a study: it has no {_LOCK}")
        lock = _read_lock(path / _LOCK)
        if problems := _another_study(lock, lock_of(study)):
            raise UsageError([Problem(f"{path} holds another study, '{lock.name}'"), *problems])
        return cls(path, lock)

    def with_solved(self, solved: Mapping[str, Mapping[str, int]]) -> StudyFolder:
        """Record the settings that were solved for cells, by path, from which every run reads them."""
        cells = {name: evolve(cell, solved=dict(solved.get(name, {}))) for name, cell in self.lock.cells.items()}
        folder = evolve(self, lock=evolve(self.lock, cells=cells))
        write_json(self.path / _LOCK, asdict(folder.lock))
        return folder

    def _write(self, study: Study) -> None:
        files = {"study.toml": text_writer(study.text), _LOCK: json_writer(asdict(self.lock))}
        write_files(self.path, files)


def lock_of(study: Study) -> StudyLock:
    """What is planned of a study."""
    cells = {cell.name: CellLock(design_digest(cell), dict(cell.values)) for cell in study.cells}
    return StudyLock(LOCK_FORMAT, study.name, study.settings.all_seeds, cells)


def design_digest(cell: Cell) -> str:
    """The digest of everything that makes a cell's design.

    Settings with their default value are left out, so that a component may get further ones.
    """
    return digest_of(design_values(cell.recipe, defaults=False))


def evaluation_digest(study: Study) -> str:
    """The digest of all settings of a study's evaluations."""
    uses = {name: [use.reference, plain_settings(use.config)] for name, use in study.evaluations.items()}
    return digest_of(uses)


def _read_lock(path: Path) -> StudyLock:
    try:
        lock = structured(read_json(path), StudyLock)
    except ValueError as error:
        raise StorageError(f"{path} is damaged: {error}") from error
    if lock.format != LOCK_FORMAT:
        raise StorageError(f"{path} has the format {lock.format}; this janiform reads {LOCK_FORMAT}")
    return lock


def _another_study(before: StudyLock, now: StudyLock) -> list[Problem]:
    """What differs, where the folder's study and the given one have no design in common."""
    if any(name in now.cells and now.cells[name].design == cell.design for name, cell in before.cells.items()):
        return []
    problems = []
    if before.name != now.name:
        problems.append(Problem(f"its name is '{before.name}', that of the given study '{now.name}'", "name"))
    gone = [name for name in before.cells if name not in now.cells]
    if gone:
        problems.append(Problem(f"it has cells that the given study lacks: {', '.join(gone[:8])}"))
    changed = [name for name in before.cells if name in now.cells]
    if changed:
        problems.append(Problem(f"these cells are other designs there: {', '.join(changed[:8])}"))
    return problems or [Problem("it has no cells")]


def _moved(path: Path, before: StudyLock, now: StudyLock) -> list[str]:
    """Move the runs of cells whose design changed out of the way; sentences about them."""
    notes = []
    for name, cell in before.cells.items():
        if name not in now.cells:
            if (path / "cells" / name).is_dir():
                notes.append(f"cell {name} is no longer in the study: its runs stay in {path / 'cells' / name}")
            continue
        if now.cells[name].design == cell.design:
            continue
        for run in sorted((path / "cells" / name).glob("seed-*")):
            target = path / "earlier" / f"{name}-{run.name}-{cell.design[:8]}"
            if target.exists():
                target = target.with_name(f"{target.name}-{int(time.time())}")
            with explained("move", run):
                target.parent.mkdir(parents=True, exist_ok=True)
                run.rename(target)
            notes.append(f"cell {name} is another design now: its run {run.name} is in {target}")
    return notes


def _additions(before: StudyLock, now: StudyLock) -> list[str]:
    notes = []
    if new := [name for name in now.cells if name not in before.cells]:
        notes.append(f"new cells: {', '.join(new)}")
    if more := _listed(seed for seed in now.planned_seeds if seed not in before.planned_seeds):
        notes.append(f"seeds that were not planned when the study began: {more}; the page says so")
    return notes


def _listed(seeds: Iterator[int] | Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
