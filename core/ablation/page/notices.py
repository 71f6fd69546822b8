"""What a reader must know before the numbers: chance levels, few seeds, more seeds than planned, unequal budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..results import StudyResults
from ..statistics import Caution, cautions
from ..statistics.methods import FEWEST_SEEDS
from .summary import MetricSummary, Summary
from .words import count_text, flops_text, listed, metric_label, plural

_EQUAL = 1.05
"""Ratio of the largest to the least amount up to which cells count as equal."""


def notices(summary: Summary) -> list[str]:
    """Sentences; those about the primary metric and the seeds first."""
    return list(dict.fromkeys([*_runs(summary), *_metrics(summary), *_budgets(summary.results)]))


def _runs(summary: Summary) -> Iterator[str]:
    results = summary.results
    if summary.missing:
        yield f"Without intervals and verdicts: {summary.missing}."
    runs = [run for cell in results.cells for run in cell.runs]
    planned = len(results.cells) * len(results.planned_seeds)
    if results.done < planned:
        states = [run.state for run in runs if run.state != "done"]
        counted = listed([f"{states.count(state)} {state}" for state in dict.fromkeys(states)])
        more = f"; {counted}" if counted else ""
        yield f"{results.done} of {planned} runs are done{more}: the numbers may still change."
    done = max((sum(run.state == "done" for run in cell.runs) for cell in results.cells), default=0)
    if 0 < done < FEWEST_SEEDS:
        yield (
            f"{plural(done, 'seed')}: says nothing about the designs. Two seeds of one design differ as well; a "
            f"verdict takes {FEWEST_SEEDS} seeds."
        )
    extra = [seed for seed in summary.seeds if seed not in results.planned_seeds]
    if extra:
        yield (
            f"{plural(len(results.planned_seeds), 'seed')} planned, {listed([str(seed) for seed in extra])} added: "
            "seeds that are added after a look at results favour a finding."
        )


def _metrics(summary: Summary) -> Iterator[str]:
    primary = summary.primary
    if summary.results.done and primary is None:
        yield f"No finished run has the primary metric '{summary.results.primary}'."
    for metric in [*([primary] if primary else []), *summary.exploratory]:
        if metric.unusable:
            runs = plural(metric.unusable, "run")
            yield f"{metric_label(metric.name)}: left out where it is not a finite number, in {runs}."
        if not summary.missing:
            yield from (_sentence(caution.message) for caution in _cautions(summary, metric))


def at_chance(summary: Summary, metric: MetricSummary) -> bool:
    """Whether the metric cannot tell designs apart, because all cells are at chance or have one score."""
    kinds = {caution.kind for caution in _cautions(summary, metric)}
    return bool(kinds & {"chance", "same score"})


def _cautions(summary: Summary, metric: MetricSummary) -> Sequence[Caution]:
    return cautions(
        metric.name,
        metric.rows,
        metric.facts.direction,
        chance=metric.facts.chance,
        limits=_limits(summary, metric),
    )


def _limits(summary: Summary, metric: MetricSummary) -> Mapping[str, list[tuple[float, float] | None]]:
    """The intervals over items of each cell's runs."""
    limits: dict[str, list[tuple[float, float] | None]] = {}
    for cell in summary.cells:
        for run in cell.runs:
            score = run.scores.get(metric.name) if run.state == "done" else None
            if score is not None and score.low is not None and score.high is not None:
                limits.setdefault(cell.name, []).append((score.low, score.high))
    return limits


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _budgets(results: StudyResults) -> Iterator[str]:
    for cell in results.cells:
        if cell.budget.residue:
            yield f"Cell '{cell.name}' misses what is held equal: {cell.budget.residue.rstrip('.')}."
    amounts = {
        "training FLOPs": ({cell.name: cell.budget.flops or 0.0 for cell in results.cells}, flops_text),
        "samples": ({cell.name: float(cell.budget.samples) for cell in results.cells}, _count),
        "parameters": ({cell.name: float(cell.budget.parameters.get("total", 0)) for cell in results.cells}, _count),
    }
    for title, (by_cell, text) in amounts.items():
        known = {name: value for name, value in by_cell.items() if 0 < value < float("inf")}
        if len(known) > 1 and max(known.values()) > _EQUAL * min(known.values()):
            least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
            yield (
                f"Cells differ in {title} by a factor of {known[most] / known[least]:.3g}: '{least}' has "
                f"{text(known[least])}, '{most}' {text(known[most])}."
            )


def _count(value: float) -> str:
    return count_text(round(value))
