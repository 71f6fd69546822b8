"""Reading a study: one TOML file to cells, each composed. Torch-free.

file ─▶ settings, axes, cells, budget ─▶ layers of each cell ─▶ recipe ─▶ plan; all problems are reported together
"""

from __future__ import annotations

from pathlib import Path

from ..components.registry import Registry
from ..components.registry import registry as process_registry
from ..errors import Problem, UsageError, nearest
from ..recipe import files
from ..recipe.part_reader import PartReader
from ..recipe.problems import ProblemList
from .combine import designs_of
from .file import read_file
from .resolve import cells_of
from .study import Study


def read_study(path: str | Path, registry: Registry | None = None) -> Study:
    """The study of a file, or of a name that a plugin has, with every cell resolved and composed.

    Raises:
        UsageError: there is no such file.
        RecipeError: the study has problems; all of them, and all of all cells, are listed by file and line.
        CompositionError: cells do not fit together; all of them are listed.
    """
    registry = registry or process_registry()
    file = _file(path, registry)
    text = file.path.read_text(encoding="utf-8-sig", errors="replace")
    problems = ProblemList()
    study = read_file(file, files.read(file), PartReader(registry, problems), problems)
    designs, left_out = designs_of(study, problems)
    problems.raise_if_any()
    cells = cells_of(study, designs, registry)
    return Study(file.path, text, study.settings, cells, study.evaluations, left_out)


def _file(path: str | Path, registry: Registry) -> files.RecipeFile:
    if isinstance(path, str) and path in registry.studies():
        return files.RecipeFile(registry.studies()[path], path)
    if not files.looks_like_path(path) and not Path(path).exists():
        registry.study(str(path))  # raises where no plugin, or more than one, has it
    path = Path(path)
    if path.is_dir():
        raise UsageError(Problem(f"'{path}' is a directory", hint="give the study's .toml file"))
    if not path.is_file():
        near = sorted(str(other) for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        raise UsageError(Problem(f"there is no file '{path}'", hint=nearest(str(path), near)))
    return files.RecipeFile(path, str(path))
