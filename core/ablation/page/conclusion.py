"""What the results of a study allow to say, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..results import StudyResults
from ..statistics import Comparison
from ..statistics.methods import FEWEST_SEEDS
from .notices import at_chance
from .summary import MetricSummary, Summary, summarize
from .words import better, figure, listed, metric_label, plural, probability, signed

_MOST = 8
"""Number of cells that have a sentence of their own."""


def conclusion(results: StudyResults) -> list[str]:
    """Sentences about the primary metric, then what is exploratory; or why there is no conclusion."""
    return conclude(summarize(results))


def conclude(summary: Summary) -> list[str]:
    """The same, of results in order."""
    results, metric = summary.results, summary.primary
    if not results.done:
        return ["No run is done yet: there is nothing to conclude."]
    if metric is None:
        return [f"No conclusion: no finished run has the primary metric '{results.primary}'."]
    name = metric_label(metric.name)
    if len(summary.cells) < 2:
        return ["No conclusion: there is one cell, and nothing to compare it with."]
    if not metric.scores.get(results.baseline):
        return [f"No conclusion: the baseline '{results.baseline}' has no score of {name}."]
    if summary.missing:
        return [f"No conclusion: {summary.missing}."]
    if at_chance(summary, metric):
        return [
            f"No conclusion: {name} is at chance or at one score in all cells, so it cannot tell designs apart. Train "
            "longer, or choose a metric that moves earlier, such as a held-out loss."
        ]
    if not metric.judged:
        seeds = max((one.seeds for one in metric.comparisons.values()), default=0)
        if not seeds:
            return [f"No conclusion: no other cell has a score of {name} with a seed of the baseline."]
        return [
            f"No conclusion: {plural(seeds, 'seed')} per difference; a verdict on a design takes {FEWEST_SEEDS}. The "
            "differences below are between these runs, not between their designs."
        ]
    return [*_unfinished(results), *_primary(metric, name), *_best(metric), *_exploratory(summary)]


def _unfinished(results: StudyResults) -> Iterator[str]:
    planned = len(results.cells) * len(results.planned_seeds)
    if results.done < planned:
        yield f"Preliminary, with {results.done} of {planned} runs done."


def _primary(metric: MetricSummary, name: str) -> Iterator[str]:
    compared = metric.compared
    assert compared is not None
    decided = [one for one in compared.comparisons if one.verdict in ("better", "worse")]
    decided.sort(key=lambda one: -abs(one.difference or 0.0))
    for one in decided[:_MOST]:
        yield f"On {name} ({better(metric.facts)}), {_difference(one, metric)}."
    if len(decided) > _MOST:
        yield f"{len(decided) - _MOST} more cells differ from the baseline; see the table of differences."
    equivalent = [one.cell for one in compared.comparisons if one.verdict == "equivalent"]
    if equivalent and compared.margin:
        yield (
            f"Equivalent to the baseline within ±{compared.margin:g}, a margin that was set beforehand: "
            f"{_names(equivalent)}."
        )
    if unclear := [one for one in compared.comparisons if one.verdict == "unclear"]:
        yield _unclear(unclear, metric)
    if without := [one.cell for one in compared.comparisons if one.verdict is None]:
        yield f"No verdict, for want of seeds or of scatter between them: {_names(without)}."


def _difference(one: Comparison, metric: MetricSummary) -> str:
    """A cell that differs: by how much, how surely."""
    estimate, places = one.estimate, metric.places
    assert estimate is not None
    assert one.difference is not None
    assert one.p_adjusted is not None
    interval = f"[{signed(estimate.low, places)}, {signed(estimate.high, places)}]"
    p = probability(one.p_adjusted)
    return (
        f"'{one.cell}' is {one.verdict} than the baseline: difference {signed(one.difference, places)}, "
        f"95 % interval {interval}, same sign in {one.same_sign} of {one.seeds} seeds, "
        f"Holm-adjusted p {p if p.startswith('<') else f'= {p}'}"
    )


def _unclear(unclear: Sequence[Comparison], metric: MetricSummary) -> str:
    """Absence of evidence, with what would have been seen; it is not evidence of absence."""
    sizes = sorted({figure(one.detectable, metric.places) for one in unclear if one.detectable is not None}, key=len)
    values = [one.detectable for one in unclear if one.detectable is not None]
    text = f"No difference from the baseline is shown for {_names([one.cell for one in unclear])}"
    if not values:
        return f"{text}."
    span = (
        f"±{sizes[0]}"
        if len(sizes) == 1
        else f"±{figure(min(values), metric.places)} to ±{figure(max(values), metric.places)}"
    )
    return f"{text}; that is not a proof of no difference: this study sees {span} with a chance of 80 %."


def _best(metric: MetricSummary) -> Iterator[str]:
    best = [cell for cell in metric.means if cell in metric.best]
    if len(best) == 1:
        yield f"'{best[0]}' is the best cell, and every other can be distinguished from it."
    elif 1 < len(best) < len(metric.means):
        yield f"The best cell cannot be told among {_names(best)}."
    elif best:
        yield "No cell can be distinguished from the best one."


def _exploratory(summary: Summary) -> Iterator[str]:
    comparisons = [(metric, one) for metric in summary.exploratory for one in metric.comparisons.values()]
    decided = [(metric, one) for metric, one in comparisons if one.verdict in ("better", "worse")]
    decided.sort(key=lambda pair: 1.0 if pair[1].p_adjusted is None else pair[1].p_adjusted)
    if not comparisons:
        return
    if not decided:
        yield f"Of {plural(len(comparisons), 'exploratory comparison')}, none stands after adjustment."
        return
    shown = [f"{metric_label(metric.name)} of '{one.cell}' ({one.verdict})" for metric, one in decided]
    yield (
        f"Exploratory, and a question for another study: {len(decided)} of {len(comparisons)} comparisons on other "
        f"metrics stand after adjustment: {listed(shown)}."
    )


def _names(cells: Sequence[str]) -> str:
    return listed([f"'{cell}'" for cell in cells], _MOST)
