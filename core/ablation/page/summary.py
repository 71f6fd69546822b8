"""The results of a study in the order of its page: cells by axis, metrics by group, and how the cells compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from typing import Any

from attrs import asdict, evolve, field, frozen

from ...errors import UsageError
from ..results import CellResult, MetricFacts, StudyResults
from ..statistics import (
    Comparison,
    Comparisons,
    choose_method,
    compare_cells,
    compare_exploratory,
    indistinguishable_from_best,
)
from ..statistics.methods import FEWEST_SEEDS
from .words import decimals, usable

OTHER = "other"
"""Group of metrics that belong to none."""


@frozen(eq=False)
class MetricSummary:
    """A metric over all cells.

    Attributes:
        scores: finite values by cell and seed, of runs that are done.
        rows: the same, one score or None per seed of the study, of every cell that is trained for the metric.
        places: decimals that its numbers are shown with.
        compared: the cells against the baseline; None where statistics need a package that is not installed.
        half_widths: the ± of each cell: of the difference of any two cells where ``pooled``, else of its own mean.
        best: the cells of at least three seeds that cannot be distinguished from the best.
        unusable: the number of runs whose value is not finite, or too large for sums, and left out.
    """

    name: str
    facts: MetricFacts
    scores: Mapping[str, Mapping[int, float]]
    rows: Mapping[str, tuple[float | None, ...]]
    means: Mapping[str, float]
    places: int
    compared: Comparisons | None = None
    half_widths: Mapping[str, float] = field(factory=dict)
    pooled: bool = False
    best: Set[str] = frozenset()
    unusable: int = 0

    @property
    def values(self) -> list[float]:
        return [value for by_seed in self.scores.values() for value in by_seed.values()]

    @cached_property
    def comparisons(self) -> Mapping[str, Comparison]:
        """The cells against the baseline, by cell."""
        return {one.cell: one for one in self.compared.comparisons} if self.compared else {}

    @property
    def judged(self) -> bool:
        """Whether some cell has an interval."""
        return any(one.estimate is not None for one in self.comparisons.values())


@frozen(eq=False)
class Summary:
    """A study as its page shows it.

    ``groups``: cells by the axes that made them, in the order of every table and chart. ``seeds``: planned ones first.
    ``missing``: why there are no statistics; empty where there are.
    """

    results: StudyResults
    groups: tuple[tuple[str, tuple[CellResult, ...]], ...]
    metric_groups: Mapping[str, tuple[str, ...]]
    metrics: Mapping[str, MetricSummary]
    seeds: tuple[int, ...]
    missing: str = ""

    @cached_property
    def cells(self) -> tuple[CellResult, ...]:
        return tuple(cell for _, cells in self.groups for cell in cells)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {cell.name: number for number, cell in enumerate(self.cells, start=1)}

    def number(self, cell: str) -> int:
        """The number of a cell's row, from 1; the baseline has 1."""
        return self._numbers[cell]

    @property
    def primary(self) -> MetricSummary | None:
        """The metric that the study is about; None where no run that is done has it."""
        return self.metrics.get(self.results.primary)

    @cached_property
    def headline(self) -> tuple[MetricSummary, ...]:
        """The metrics of the main table: the primary one, and of each group the overall one, or all where none is."""
        names = [self.results.primary] if self.primary else []
        for members in self.metric_groups.values():
            names += [name for name in members if name.endswith(".overall") or "." not in name] or members
        return tuple(self.metrics[name] for name in dict.fromkeys(names))

    @property
    def exploratory(self) -> tuple[MetricSummary, ...]:
        """All metrics but the primary one."""
        return tuple(metric for metric in self.metrics.values() if metric.name != self.results.primary)


def summarize(results: StudyResults) -> Summary:
    """The results in order, with cells compared on every metric that a run has measured."""
    groups = _cells_by_axis(results)
    cells = [cell for _, members in groups for cell in members]
    seeds = tuple(dict.fromkeys([*results.planned_seeds, *(run.seed for cell in cells for run in cell.runs)]))
    metric_groups = _metric_groups(results, cells)
    metrics = {name: _metric(results, cells, seeds, name) for names in metric_groups.values() for name in names}
    missing = ""
    try:
        metrics = _compared(results, metrics)
    except UsageError as error:  # scipy is an extra; means and dots are shown without it
        missing = str(error)
    return Summary(results, groups, metric_groups, metrics, seeds, missing)


def comparisons_of(results: StudyResults) -> dict[str, Any]:
    """The comparisons of the cells on every metric, as objects, lists, texts and numbers; none without scipy."""
    metrics = summarize(results).metrics
    return {name: asdict(metric.compared) for name, metric in metrics.items() if metric.compared is not None}


def _cells_by_axis(results: StudyResults) -> tuple[tuple[str, tuple[CellResult, ...]], ...]:
    """Cells by the axes that made them, the baseline first and by itself."""
    groups: dict[str, list[CellResult]] = {}
    for cell in results.cells:
        if cell.name != results.baseline:
            groups.setdefault(" × ".join(cell.values) or "cells", []).append(cell)
    baseline = ("baseline", (results.cell(results.baseline),))
    return (baseline, *((title, tuple(cells)) for title, cells in groups.items()))


def _metric_groups(results: StudyResults, cells: Sequence[CellResult]) -> dict[str, tuple[str, ...]]:
    """The metrics that a run has measured, each in the first group that names it."""
    measured = dict.fromkeys(name for cell in cells for run in cell.runs if run.state == "done" for name in run.scores)
    groups: dict[str, tuple[str, ...]] = {}
    for title, members in results.groups.items():
        if present := tuple(name for name in dict.fromkeys(members) if name in measured):
            groups[title] = present
            measured = {name: None for name in measured if name not in present}
    if measured:
        groups[OTHER] = (*groups.get(OTHER, ()), *measured)
    return groups


def _metric(results: StudyResults, cells: Sequence[CellResult], seeds: Sequence[int], name: str) -> MetricSummary:
    every = {cell.name: cell.scores(name) for cell in cells}
    scores = {
        cell: {seed: value for seed, value in by_seed.items() if usable(value)} for cell, by_seed in every.items()
    }
    scores = {cell: by_seed for cell, by_seed in scores.items() if by_seed}
    # A cell that is done and has no score is not trained for the metric; one whose runs failed belongs to the family.
    rows = {
        cell.name: tuple(scores.get(cell.name, {}).get(seed) for seed in seeds)
        for cell in cells
        if every[cell.name] or cell.name == results.baseline or not any(run.state == "done" for run in cell.runs)
    }
    means = {cell: math.fsum(by_seed.values()) / len(by_seed) for cell, by_seed in scores.items()}
    return MetricSummary(
        name=name,
        facts=results.metrics.get(name, MetricFacts()),
        scores=scores,
        rows=rows,
        means=means,
        places=decimals(means.values()),
        unusable=sum(map(len, every.values())) - sum(map(len, scores.values())),
    )


def _compared(results: StudyResults, metrics: Mapping[str, MetricSummary]) -> dict[str, MetricSummary]:
    """The metrics with comparisons. Raises ``UsageError`` where scipy is needed and not installed."""
    primary = metrics.get(results.primary)
    others = {name: metric for name, metric in metrics.items() if name != results.primary}
    compared = compare_exploratory(
        {name: metric.rows for name, metric in others.items()},
        results.baseline,
        {name: metric.facts.direction for name, metric in others.items()},
    )
    if primary:
        margin = results.margin or None
        compared[primary.name] = compare_cells(primary.rows, results.baseline, primary.facts.direction, margin=margin)
    return {name: _with_intervals(metric, compared[name]) for name, metric in metrics.items()}


def _with_intervals(metric: MetricSummary, compared: Comparisons) -> MetricSummary:
    method = choose_method(metric.rows)
    if method.blocks is not None:
        half_widths = dict.fromkeys(method.cells, method.blocks.half_width)
    else:
        intervals = {cell.cell: cell.interval for cell in compared.cells}
        half_widths = {cell: (own.high - own.low) / 2 for cell, own in intervals.items() if own is not None}
    enough = {cell.cell for cell in compared.cells if cell.seeds >= FEWEST_SEEDS}
    best = indistinguishable_from_best(metric.rows, metric.facts.direction) if enough else ()
    return evolve(
        metric,
        compared=compared,
        half_widths=half_widths,
        pooled=method.blocks is not None,
        best=enough.intersection(best),
    )
