"""Comparisons with the baseline: numbers of the probes, verdicts, and the cases that allow none."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from attrs import asdict
from janiform import UsageError
from janiform.ablation.statistics import Comparison, Comparisons, compare_cells, compare_exploratory
from janiform.ablation.statistics.adjust import benjamini_hochberg, holm
from scipy import stats

A, B = [0.62, 0.58, 0.65, 0.60, 0.61], [0.57, 0.56, 0.58, 0.59, 0.55]


def study(means: dict[str, float], seeds: int = 5, sd: float = 0.01, seed: int = 0) -> dict[str, list[float | None]]:
    """Cells around their means, with nearly the same scatter."""
    rng = np.random.default_rng(seed)
    pattern = np.linspace(-1, 1, seeds)
    pattern *= sd / pattern.std(ddof=1)
    return {name: list(mean + rng.permutation(pattern)) for name, mean in means.items()}


def by_cell(comparisons: Comparisons) -> dict[str, Comparison]:
    return {one.cell: one for one in comparisons.comparisons}


def all_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(all_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_two_designs_have_the_figures_of_the_probe() -> None:
    (one,) = compare_cells({"base": B, "new": A}, "base").comparisons
    assert one.estimate is not None
    assert (one.difference, one.estimate.p) == pytest.approx((0.042, 0.022194), abs=5e-7)
    assert one.p_adjusted == one.estimate.p
    assert (one.sign_flip_p, one.sign_flip_floor) == (0.0625, 0.0625)
    assert one.effect == pytest.approx(1.298081, abs=5e-7)
    assert one.by_seed == pytest.approx(np.subtract(A, B))
    assert (one.seeds, one.left_out, one.same_sign) == (5, 0, 5)
    # 1.682 standard deviations of a difference have a power of 80 % with 5 seeds.
    assert one.detectable == pytest.approx(1.682 * 0.025884, abs=5e-5)
    assert one.verdict == "better"
    assert one.sentence == "better than 'base': Holm-adjusted p = 0.022"


@pytest.mark.parametrize(("direction", "verdicts"), [("up", ("better", "worse")), ("down", ("worse", "better"))])
def test_verdicts_follow_the_direction(direction: Any, verdicts: tuple[str, str]) -> None:
    found = by_cell(compare_cells(study({"base": 0.5, "more": 0.6, "less": 0.4}), "base", direction))
    assert (found["more"].verdict, found["less"].verdict) == verdicts


@pytest.mark.parametrize("trial", range(5))
def test_random_studies_have_the_block_analysis_with_holms_p(trial: int) -> None:
    rng = np.random.default_rng(trial)
    cells, seeds = int(rng.integers(3, 7)), int(rng.integers(3, 8))
    scores = study({f"c{i}": rng.normal(0.5, 0.02) for i in range(cells)}, seeds, 0.02, trial)
    table = np.array(list(scores.values()), dtype=float)
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    df = (cells - 1) * (seeds - 1)
    se = np.sqrt(2 * (rest**2).sum() / df / seeds)
    differences = table[1:].mean(axis=1) - table[0].mean()
    p_values = 2 * stats.t.sf(np.abs(differences) / se, df)
    comparisons = compare_cells(scores, "c0")
    assert (comparisons.method, comparisons.adjustment, comparisons.family) == ("randomised block", "Holm", cells - 1)
    assert [one.difference for one in comparisons.comparisons] == pytest.approx(differences)
    assert [one.p_adjusted for one in comparisons.comparisons] == pytest.approx(holm(p_values))
    for one, adjusted in zip(comparisons.comparisons, holm(p_values), strict=True):
        assert one.estimate is not None
        assert one.estimate.high - one.estimate.low == pytest.approx(2 * stats.t.ppf(0.975, df) * se)
        assert one.detectable is not None
        bound = stats.t.ppf(0.975, df)
        power = stats.nct.sf(bound, df, one.detectable / se) + stats.nct.cdf(-bound, df, one.detectable / se)
        assert power == pytest.approx(0.8, abs=1e-6)
        assert (one.verdict == "unclear") == (adjusted >= 0.05)


def test_a_single_comparison_may_lose_its_verdict_among_many() -> None:
    alone = by_cell(compare_cells({"base": B, "new": A}, "base"))["new"]
    others = study({f"c{i}": 0.57 for i in range(4)}, sd=0.001)
    many = by_cell(compare_cells({"base": B, "new": A, **others}, "base"))["new"]
    assert (alone.verdict, many.verdict) == ("better", "unclear")
    assert many.estimate == alone.estimate
    assert many.p_adjusted == pytest.approx(5 * 0.022194, abs=5e-6)


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        (1, "1 seed: says nothing about the design"),
        (2, "2 seeds: too few to judge the design, which takes 3"),
    ],
)
def test_one_or_two_seeds_have_differences_and_no_verdict(seeds: int, sentence: str) -> None:
    scores = {"base": B[:seeds], "new": A[:seeds], "old": A[1 : 1 + seeds]}
    comparisons = compare_cells(scores, "base", margin=0.1)
    for one in comparisons.comparisons:
        assert one.difference == pytest.approx(np.mean(scores[one.cell]) - np.mean(scores["base"]))
        assert one.by_seed == pytest.approx(np.subtract(scores[one.cell], scores["base"]))
        assert (one.verdict, one.estimate, one.p_adjusted, one.sign_flip_p, one.equivalence) == (None,) * 5
        assert one.sentence == sentence
    assert [cell.interval for cell in comparisons.cells] == [None] * 3


def test_cells_that_lack_seeds_say_how_many_count() -> None:
    scores = study({"base": 0.5, "whole": 0.6, "part": 0.6, "one": 0.6, "failed": 0.6}, seeds=6)
    scores["part"][1] = scores["part"][4] = None
    scores["one"][1:] = [None] * 5
    scores["failed"] = [float("nan")] * 6
    comparisons = compare_cells(scores, "base")
    found = by_cell(comparisons)
    assert (comparisons.method, comparisons.reason) == ("paired t", "1 of 6 seeds have a score in every cell")
    assert [(found[name].seeds, found[name].left_out) for name in ("whole", "part", "one", "failed")] == [
        (6, 0),
        (4, 2),
        (1, 5),
        (0, 6),
    ]
    assert found["part"].by_seed[1] is found["part"].by_seed[4] is None
    assert found["one"].sentence == "1 seed: says nothing about the design"
    assert (found["failed"].difference, found["failed"].sentence) == (None, "no seed has a score in both cells")
    # The family keeps its size: two comparisons without a p count as 1.
    whole = found["whole"]
    assert whole.estimate is not None
    assert whole.estimate.p is not None
    part, base = (np.array(scores[name], float)[[0, 2, 3, 5]] for name in ("part", "base"))
    p_part = stats.ttest_rel(part, base).pvalue
    assert found["part"].difference == pytest.approx((part - base).mean())
    assert whole.p_adjusted == pytest.approx(holm([whole.estimate.p, p_part, 1, 1])[0])


def test_a_baseline_that_failed_leaves_every_cell_without_a_verdict() -> None:
    comparisons = compare_cells(study({"new": 0.5, "other": 0.6}) | {"base": [None] * 5}, "base")
    assert {one.sentence for one in comparisons.comparisons} == {"no seed has a score in both cells"}
    assert [cell.mean for cell in comparisons.cells] == [pytest.approx(0.5), pytest.approx(0.6), None]


@pytest.mark.parametrize("shift", [0.0, 0.25])
@pytest.mark.parametrize("cells", [2, 3])
def test_differences_without_scatter_have_no_verdict_and_no_nan(shift: float, cells: int) -> None:
    scores = {f"c{i}": [0.25 + shift * i] * 5 for i in range(cells)}
    comparisons = compare_cells(scores, "c0", margin=0.5)
    for i, one in enumerate(comparisons.comparisons, start=1):
        assert one.estimate is not None
        assert (one.estimate.low, one.estimate.high) == (shift * i, shift * i)
        assert (one.estimate.p, one.p_adjusted, one.detectable, one.effect, one.equivalence) == (None,) * 5
        assert one.sign_flip_p == (0.0625 if shift else 1)
        assert one.verdict is None
        assert one.sentence == "all 5 seeds give the same difference: without scatter there is no verdict"
    assert all_finite(asdict(comparisons))


def test_a_cell_at_the_floor_is_compared_with_one_that_is_not() -> None:
    one = by_cell(compare_cells({"base": A, "floor": [0.0] * 5, "new": B}, "base"))["floor"]
    expected = stats.ttest_rel([0.0] * 5, A)
    assert one.estimate is not None
    assert one.estimate.p == pytest.approx(expected.pvalue)
    assert one.verdict == "worse"


def test_a_margin_set_before_allows_a_finding_of_no_loss() -> None:
    differences = np.array([0.004, -0.006, 0.002, 0.001, -0.003])
    scores = {"base": B, "same": list(np.add(B, differences))}
    (one,) = compare_cells(scores, "base", margin=0.01).comparisons
    assert one.equivalence is not None
    assert one.equivalence.p == pytest.approx(0.003009, abs=5e-7)
    assert (one.verdict, one.sentence) == ("equivalent", "equivalent to 'base' within ±0.01")
    (narrow,) = compare_cells(scores, "base", margin=0.004).comparisons
    assert narrow.verdict == "unclear"
    (without,) = compare_cells(scores, "base").comparisons
    assert (without.equivalence, without.verdict) == (None, "unclear")
    assert without.sentence == f"no difference from 'base' shown; 80 % power for ±{without.detectable:.3g}"


def test_a_shown_difference_inside_the_margin_is_still_a_difference() -> None:
    (one,) = compare_cells({"base": B, "new": A}, "base", margin=0.5).comparisons
    assert one.equivalence is not None
    assert one.equivalence.within
    assert one.verdict == "better"


def test_exploratory_metrics_are_adjusted_as_one_family() -> None:
    names = ("base", "new", "old")
    family = {f"m{i}": study(dict.fromkeys(names, 0.5) | {"new": 0.5 + i / 50}, seed=i) for i in range(4)}
    directions: dict[str, Any] = {"m0": "up", "m1": "up", "m2": "up", "m3": "down"}
    found = compare_exploratory(family, "base", directions)
    raw = {metric: compare_cells(scores, "base", directions[metric]) for metric, scores in family.items()}
    p_values = [one.estimate.p for each in raw.values() for one in each.comparisons if one.estimate]
    adjusted = [one.p_adjusted for each in found.values() for one in each.comparisons]
    assert adjusted == pytest.approx(benjamini_hochberg([p for p in p_values if p is not None]))
    assert {(each.adjustment, each.family) for each in found.values()} == {("Benjamini–Hochberg", 8)}
    strongest = by_cell(found["m3"])["new"]
    assert strongest.verdict == "worse"
    assert strongest.sentence.startswith("worse than 'base': Benjamini–Hochberg-adjusted p = ")
    assert compare_exploratory({}, "base", {}) == {}


def test_cells_are_summed_up_over_their_own_seeds() -> None:
    scores: dict[str, list[float | None]] = {"base": list(A), "new": [0.5, None, 0.6, 0.7, None]}
    cells = {cell.cell: cell for cell in compare_cells(scores, "base").cells}
    assert list(cells) == ["base", "new"]
    new = cells["new"]
    assert (new.seeds, new.mean, new.sd) == (3, pytest.approx(0.6), pytest.approx(0.1))
    assert new.scores == (0.5, None, 0.6, 0.7, None)
    assert new.interval is not None
    expected = stats.ttest_1samp([0.5, 0.6, 0.7], 0).confidence_interval()
    assert (new.interval.low, new.interval.high) == pytest.approx((expected.low, expected.high))


def test_records_are_plain_and_written_as_json() -> None:
    scores = study({"base": 0.5, "new": 0.6, "failed": 0}) | {"failed": [None] * 5}
    record = asdict(compare_cells(scores, "base", margin=0.05))
    assert json.loads(json.dumps(record, allow_nan=False))["cells"][1]["mean"] == pytest.approx(0.6)

    def types(value: Any) -> set[type]:
        if isinstance(value, dict):
            return set().union(*map(types, value.values()))
        return set().union(*map(types, value)) if isinstance(value, list | tuple) else {type(value)}

    assert types(record) <= {str, int, float, bool, type(None)}


def test_a_baseline_that_is_not_a_cell_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the baseline 'bsae' is not a cell of the study \(did you mean 'base'\?\)"):
        compare_cells({"base": A, "new": B}, "bsae")
    with pytest.raises(UsageError, match=r"the margin must be positive, got -0\.1"):
        compare_cells({"base": A, "new": B}, "base", margin=-0.1)
