"""Items of runs, as ``items.jsonl`` beside each run holds them, compared with those of the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ...errors import StorageError, UsageError
from ...storage.json_files import json_lines, structured
from ..results import RunResult, StudyResults
from ..statistics import ItemComparison, paired_items
from .files import inside

ITEMS = "items.jsonl"


@frozen
class _Value:
    """What is compared of an item."""

    metric: str
    item: str
    cluster: str
    value: float


def compare_items(results: StudyResults, metric: str, folder: Path) -> Mapping[str, Mapping[int, ItemComparison]]:
    """Each cell - the baseline by seed, over the items of a metric; of an overall one, over those of all categories.

    Runs without items, or with other items than the baseline's, are left out.
    """
    baseline = {run.seed: run for run in results.cell(results.baseline).runs if run.state == "done"}
    known: dict[int, list[_Value]] = {}
    compared: dict[str, dict[int, ItemComparison]] = {}
    for cell in results.cells:
        for run in cell.runs:
            if cell.name == results.baseline or run.state != "done" or run.seed not in baseline:
                continue
            if run.seed not in known:
                known[run.seed] = _items(folder, baseline[run.seed], metric)
            own = _items(folder, run, metric) if known[run.seed] else []
            if own:
                try:
                    compared.setdefault(cell.name, {})[run.seed] = paired_items(own, known[run.seed])
                except UsageError:
                    continue
    return {cell: by_seed for cell, by_seed in compared.items() if by_seed}


def _items(folder: Path, run: RunResult, metric: str) -> list[_Value]:
    path = inside(folder, f"{run.folder}/{ITEMS}") if run.folder else None
    if path is None:
        return []
    values = []
    try:
        for _, line in json_lines(path):
            values.append(structured(line, _Value))
    except (StorageError, ValueError):
        return []
    exact = [value for value in values if value.metric == metric]
    head = metric.removesuffix(".overall")
    return exact or [value for value in values if head != metric and value.metric.startswith(f"{head}.")]
