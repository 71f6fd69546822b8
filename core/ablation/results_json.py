"""``study.json``: the results of a study, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..errors import Origin, Problem, StorageError
from ..storage.json_files import read_json, structured, write_json
from .results import FORMAT, StudyResults


def write_results(results: StudyResults, path: Path, comparisons: Mapping[str, Any]) -> None:
    """Replace the file by the results, with the comparisons of cells by metric. Raises ``StorageError``."""
    write_json(path, results_json(results, comparisons))


def results_json(results: StudyResults, comparisons: Mapping[str, Any]) -> dict[str, Any]:
    """The results as objects, lists, texts and numbers.

    ``comparisons``: of every metric, the cells against the baseline; they follow from the results, and are not read.
    """
    return {**attrs.asdict(results), "comparisons": dict(comparisons)}


def read_results(path: Path) -> StudyResults:
    """The results in a file.

    Raises ``StorageError`` where the file cannot be read, is of a later version, or is not the results of a study.
    """
    content = read_json(path)
    version = content.get("format")
    if isinstance(version, int) and version > FORMAT:
        message = f"has format {version}; this version of janiform reads up to {FORMAT}"
        raise StorageError(Problem(message, origin=Origin(str(path)), hint="install a newer version of janiform"))
    try:
        return _checked(structured(content, StudyResults))
    except ValueError as error:
        raise StorageError(Problem(f"is not the results of a study: {error}", origin=Origin(str(path)))) from error


def _checked(results: StudyResults) -> StudyResults:
    """The results. Raises ``ValueError`` where parts of them do not fit together."""
    names = [cell.name for cell in results.cells]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"there are two cells '{repeated}'")
    if results.baseline not in names:
        raise ValueError(f"the baseline '{results.baseline}' is not one of the cells")
    for cell in results.cells:
        seeds = [run.seed for run in cell.runs]
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"the cell '{cell.name}' has two runs with one seed")
    return results
