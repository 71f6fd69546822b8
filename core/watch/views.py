"""What can be watched: folders of runs, or the folder of a study. Their files are only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ..ablation.page import page_html
from ..ablation.refresh import refreshed
from ..ablation.results_json import read_results
from ..errors import Problem, UsageError
from ..report.report import report_html
from ..train.run.record import read_run

STUDY, LOCK = "study.json", "study.lock.json"
_RUN_FILES = ("log.jsonl", "run.json", "recipe.toml", "model.json")


class View(Protocol):
    """A page made of files. Both methods raise ``OSError`` or ``JaniformError`` where files cannot be read."""

    def files(self) -> Iterator[Path]:
        """The files and folders whose changes change the page; some may be missing."""
        ...

    def html(self) -> str:
        """The page as it would be published now."""
        ...


@frozen
class RunsView:
    """The page about one run, or about several in common charts."""

    folders: tuple[Path, ...]

    def files(self) -> Iterator[Path]:
        for folder in self.folders:
            yield from _run_files(folder)

    def html(self) -> str:
        return report_html([read_run(folder, begun=False) for folder in self.folders])


@frozen
class StudyView:
    """The page of a study, with every run as its folder has it now."""

    folder: Path

    def files(self) -> Iterator[Path]:
        yield self.folder / STUDY
        for place in sorted((self.folder / "cells").glob("*/seed-*")):
            yield from (place / name for name in ("status.json", "scores.json", "shown"))
            yield from _run_files(place / "run")

    def html(self) -> str:
        results = refreshed(read_results(self.folder / STUDY), self.folder, check_processes=False)
        return page_html(results, self.folder)


def view_of(folders: Sequence[Path]) -> View:
    """The view of the folders of runs, or of one study.

    Raises ``UsageError`` where a folder is neither, is given twice, or a study is given beside others.
    """
    resolved = [folder.resolve() for folder in folders]
    if duplicates := [folder for folder, path in zip(folders, resolved, strict=True) if resolved.count(path) > 1]:
        raise UsageError(f"'{duplicates[0]}' is given twice")
    if studies := [folder for folder in folders if (folder / LOCK).is_file()]:
        if len(folders) > 1:
            message = f"'{studies[0]}' is the folder of a study, and a study is watched alone"
            raise UsageError(Problem(message, hint=f"its runs can be compared: {studies[0]}/cells/CELL/seed-0/run"))
        if not (studies[0] / STUDY).is_file():
            message = f"'{studies[0]}' has no {STUDY}"
            raise UsageError(Problem(message, hint="an earlier version began the study; run `janiform ablate` again"))
        return StudyView(studies[0])
    for folder in folders:
        _check_run(folder)
    return RunsView(tuple(folders))


def _check_run(folder: Path) -> None:
    hint = "give the --out folder of `janiform train` or `janiform ablate`"
    if not folder.is_dir():
        raise UsageError(Problem(f"there is no folder '{folder}'", hint=hint))
    if not any((folder / name).is_file() for name in ("log.jsonl", "run.json")):
        raise UsageError(Problem(f"'{folder}' is the folder of neither a run nor a study", hint=hint))


def _run_files(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _RUN_FILES)
    yield folder / "samples"
    yield from sorted((folder / "samples").glob("*"))
