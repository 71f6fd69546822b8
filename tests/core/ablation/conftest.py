"""The study of ``tiny_study``, as files and as a finished study."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from janiform.ablation.prepare import PreparedStudy, prepare
from janiform.ablation.worker import run_cell
from janiform.train.progress.reporter import Reporter
from rich.console import Console
from tiny_study import CELLS, RECIPE, STUDY, silent

sys.path.insert(0, str(Path(__file__).parent))  # so that tests of several folders can import random_results


@pytest.fixture
def quiet() -> Reporter:
    return Reporter(Console(quiet=True))


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study's file with its recipe beside it, in a folder that a test may change."""
    (tmp_path / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    return tmp_path / "study.toml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study's files, and in ``out`` its cells with seed 0, done; tests copy it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    prepared = prepare(folder / "study.toml", folder / "out", silent)
    for cell in CELLS:
        run_cell(prepared, cell, 0, device="cpu", reporter=Reporter(Console(quiet=True)))
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished study, which a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.fixture
def prepared(done: Path) -> PreparedStudy:
    """The copy, prepared once more."""
    return prepare(done / "study.toml", done / "out", silent)


@pytest.fixture
def rewrite(done: Path) -> Callable[[str, str], Path]:
    """Replace a part of the study's text; returns its file."""

    def change(old: str, new: str) -> Path:
        path = done / "study.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path

    return change
