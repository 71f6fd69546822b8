"""Cells of a study against its baseline: differences, their intervals, and verdicts that the seeds allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from attrs import evolve, frozen

from ...errors import Problem, UsageError, nearest
from .adjust import benjamini_hochberg, holm
from .intervals import FloatArray, Interval, MeanDifference, mean_interval, spread
from .methods import FEWEST_SEEDS, Method, Scores, choose_method
from .paired import MOST_SEEDS, same_sign, sign_flip_floor, sign_flip_p
from .power import POWER, Equivalence, detectable_shift, equivalence
from .summaries import hedges_g

Direction: TypeAlias = Literal["up", "down"]
Verdict: TypeAlias = Literal["better", "worse", "equivalent", "unclear"]

HOLM = "Holm"
BENJAMINI_HOCHBERG = "Benjamini–Hochberg"


@frozen
class CellSummary:
    """A cell's scores over seeds. ``interval``: t interval of its own mean, None for fewer than three seeds."""

    cell: str
    scores: tuple[float | None, ...]
    seeds: int
    mean: float | None
    sd: float | None
    interval: Interval | None


@frozen
class Comparison:
    """A cell - the baseline, over the seeds that both have and the method uses.

    ``by_seed``: all differences, None where a seed lacks one of the two. ``seeds``: the number that was used;
    ``left_out``: the others. ``estimate``: the interval and t test. ``p_adjusted``: over all comparisons of the family.
    ``sign_flip_p`` and its floor: the exact test, whose p cannot be smaller than the floor. ``detectable``: the
    difference that this scatter would have shown with a chance of 80 %, at the unadjusted level. All of these are None
    for fewer than three seeds, and all but the interval and the exact test are None without scatter.
    """

    cell: str
    difference: float | None
    by_seed: tuple[float | None, ...]
    seeds: int
    left_out: int
    same_sign: int
    estimate: MeanDifference | None
    p_adjusted: float | None
    sign_flip_p: float | None
    sign_flip_floor: float | None
    detectable: float | None
    effect: float | None
    equivalence: Equivalence | None
    verdict: Verdict | None
    sentence: str


@frozen
class Comparisons:
    """All cells of a study on one metric. ``reason``: why the method is not the block analysis, where it is not.

    ``adjustment``: the method of ``p_adjusted``, over ``family`` comparisons, those without a p included.
    """

    baseline: str
    direction: Direction
    alpha: float
    margin: float | None
    method: str
    reason: str
    adjustment: str
    family: int
    cells: tuple[CellSummary, ...]
    comparisons: tuple[Comparison, ...]


def compare_cells(
    scores: Scores, baseline: str, direction: Direction = "up", alpha: float = 0.05, margin: float | None = None
) -> Comparisons:
    """Compare every cell with the baseline on the primary metric; p values are Holm-adjusted.

    The intervals are those of a randomised block design, or of paired t where ``choose_method`` says so; they are not
    adjusted. With fewer than three seeds there are differences and no verdict. margin: a difference that does not
    matter, set before the runs; a cell whose 1 - 2·alpha interval lies inside it is "equivalent". Raises ``UsageError``
    where the baseline is not one of the cells.
    """
    raw = _compared(scores, baseline, direction, alpha, margin)
    return _judged(raw, holm(_p_values(raw)) if raw.comparisons else [], HOLM, len(raw.comparisons))


def compare_exploratory(
    family: Mapping[str, Scores], baseline: str, directions: Mapping[str, Direction], alpha: float = 0.05
) -> dict[str, Comparisons]:
    """The same for a family of metrics that are not primary; p values are adjusted over all of its comparisons.

    The adjustment is Benjamini and Hochberg's; there is no test of equivalence.
    """
    raw = {metric: _compared(scores, baseline, directions[metric], alpha, None) for metric, scores in family.items()}
    p_values = [p for one in raw.values() for p in _p_values(one)]
    adjusted = iter(benjamini_hochberg(p_values) if p_values else [])
    return {
        metric: _judged(one, [next(adjusted) for _ in one.comparisons], BENJAMINI_HOCHBERG, len(p_values))
        for metric, one in raw.items()
    }


def _compared(scores: Scores, baseline: str, direction: Direction, alpha: float, margin: float | None) -> Comparisons:
    """Everything but adjusted p values and verdicts."""
    if baseline not in scores:
        raise UsageError(
            Problem(f"the baseline '{baseline}' is not a cell of the study", hint=nearest(baseline, scores))
        )
    if margin is not None and not margin > 0:
        raise UsageError(f"the margin must be positive, got {margin}")
    method = choose_method(scores, alpha)
    return Comparisons(
        baseline=baseline,
        direction=direction,
        alpha=alpha,
        margin=margin,
        method=method.name,
        reason=method.reason,
        adjustment="",
        family=0,
        cells=tuple(_summary(name, method.scores_of(name), alpha) for name in scores),
        comparisons=tuple(_comparison(method, name, baseline, margin) for name in scores if name != baseline),
    )


def _summary(name: str, scores: FloatArray, alpha: float) -> CellSummary:
    values = scores[np.isfinite(scores)]
    return CellSummary(
        cell=name,
        scores=_or_none(scores),
        seeds=values.size,
        mean=float(values.mean()) if values.size else None,
        sd=spread(values) if values.size > 1 else None,
        interval=mean_interval(values, alpha) if values.size >= FEWEST_SEEDS else None,
    )


def _comparison(method: Method, cell: str, baseline: str, margin: float | None) -> Comparison:
    all_S = method.scores_of(cell) - method.scores_of(baseline)
    used = all_S[method.seeds_of(cell, baseline)]
    estimate = method.between(cell, baseline)
    scattered = estimate if estimate and estimate.se else None
    exact = estimate is not None and used.size <= MOST_SEEDS
    return Comparison(
        cell=cell,
        difference=float(used.mean()) if used.size else None,
        by_seed=_or_none(all_S),
        seeds=used.size,
        left_out=all_S.size - used.size,
        same_sign=same_sign(used) if used.size else 0,
        estimate=estimate,
        p_adjusted=None,
        sign_flip_p=sign_flip_p(used) if exact else None,
        sign_flip_floor=sign_flip_floor(used.size) if exact else None,
        detectable=detectable_shift(scattered.df, POWER, method.alpha) * scattered.se if scattered else None,
        effect=hedges_g(used) if scattered else None,
        equivalence=_equivalence(scattered, margin, method.alpha) if scattered else None,
        verdict=None,
        sentence="",
    )


def _equivalence(estimate: MeanDifference, margin: float | None, alpha: float) -> Equivalence | None:
    return None if margin is None else equivalence(estimate.mean, estimate.se, estimate.df, margin, alpha)


def _or_none(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)


def _p_values(raw: Comparisons) -> list[float]:
    """A comparison without a p counts as 1: the family does not shrink because runs failed."""
    return [1.0 if not one.estimate or one.estimate.p is None else one.estimate.p for one in raw.comparisons]


def _judged(raw: Comparisons, adjusted: Sequence[float], adjustment: str, family: int) -> Comparisons:
    judged = []
    for one, p in zip(raw.comparisons, adjusted, strict=True):
        tested = one.estimate is not None and one.estimate.p is not None
        verdict = _verdict(one, p, raw) if tested else None
        sentence = _finding(one, verdict, p, raw, adjustment) if verdict else _no_verdict(one)
        judged.append(evolve(one, p_adjusted=p if tested else None, verdict=verdict, sentence=sentence))
    return evolve(raw, adjustment=adjustment, family=family, comparisons=tuple(judged))


def _verdict(one: Comparison, p_adjusted: float, study: Comparisons) -> Verdict:
    if p_adjusted < study.alpha and one.difference:
        return "better" if (one.difference > 0) == (study.direction == "up") else "worse"
    return "equivalent" if one.equivalence and one.equivalence.within else "unclear"


def _finding(one: Comparison, verdict: Verdict, p_adjusted: float, study: Comparisons, adjustment: str) -> str:
    if verdict == "equivalent":
        return f"equivalent to '{study.baseline}' within ±{study.margin:.3g}"
    if verdict == "unclear":
        shown = f"; 80 % power for ±{one.detectable:.3g}" if one.detectable else ""
        return f"no difference from '{study.baseline}' shown{shown}"
    return f"{verdict} than '{study.baseline}': {adjustment}-adjusted p = {p_adjusted:.2g}"


def _no_verdict(one: Comparison) -> str:
    """Why there is no verdict on a design."""
    if one.estimate is not None:
        return f"all {one.seeds} seeds give the same difference: without scatter there is no verdict"
    if one.seeds == 0:
        return "no seed has a score in both cells"
    if one.seeds == 1:
        return "1 seed: says nothing about the design"
    return f"{one.seeds} seeds: too few to judge the design, which takes {FEWEST_SEEDS}"
