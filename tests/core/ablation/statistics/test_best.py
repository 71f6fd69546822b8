"""Cells that cannot be told from the best, and dominated cells."""

from __future__ import annotations

import numpy as np
import pytest
from janiform.ablation.statistics import (
    MeanDifference,
    choose_method,
    dominated_cells,
    dominates,
    indistinguishable_from_best,
)

PATTERN = np.array([-0.01, 0.0, 0.01, 0.005, -0.005])


def study(**means: float) -> dict[str, list[float | None]]:
    rng = np.random.default_rng(0)
    return {name: list(mean + rng.permutation(PATTERN)) for name, mean in means.items()}


def interval(low: float, high: float) -> MeanDifference:
    return MeanDifference((low + high) / 2, 0.1, 0.1, 4, 5, low, high, 1.0, 0.5)


def test_all_cells_near_the_best_are_named() -> None:
    scores = study(low=0.3, best=0.502, near=0.5, far=0.45)
    assert indistinguishable_from_best(scores) == ("best", "near")
    assert indistinguishable_from_best(scores, "down") == ("low",)


@pytest.mark.parametrize("trial", range(10))
def test_they_are_those_whose_interval_contains_zero(trial: int) -> None:
    rng = np.random.default_rng(trial)
    scores = {f"c{i}": list(rng.normal(0.5, 0.03) + rng.normal(0, 0.02, 4)) for i in range(5)}
    method, best = choose_method(scores, 0.1), max(scores, key=lambda name: np.mean(scores[name]))
    for cell in scores:
        if cell == best:
            assert cell in indistinguishable_from_best(scores, alpha=0.1)
            continue
        difference = method.between(best, cell)
        assert difference is not None
        assert (cell in indistinguishable_from_best(scores, alpha=0.1)) == (difference.low <= 0 <= difference.high)


@pytest.mark.parametrize("seeds", [1, 2])
def test_with_fewer_than_three_seeds_no_cell_is_told_from_the_best(seeds: int) -> None:
    scores = {name: values[:seeds] for name, values in study(a=0.1, b=0.9).items()} | {"failed": [None] * seeds}
    assert indistinguishable_from_best(scores) == ("a", "b")


def test_cells_without_scatter_are_told_apart_and_ties_are_not() -> None:
    assert indistinguishable_from_best({"floor": [0.0] * 4, "top": [1.0] * 4, "also": [1.0] * 4}) == ("top", "also")
    assert indistinguishable_from_best({"a": [0.0] * 4, "b": [0.0] * 4}) == ("a", "b")
    assert indistinguishable_from_best({"a": [None] * 4}) == ()


@pytest.mark.parametrize(
    ("first", "second", "directions", "expected"),
    [
        ((0.1, 0.2), (0.1, 0.3), ("up", "up"), True),
        ((0.1, 0.2), (-0.1, 0.3), ("up", "up"), False),
        ((0.1, 0.2), (-0.3, -0.1), ("up", "up"), False),
        ((0.1, 0.2), (-0.3, -0.1), ("up", "down"), True),
        ((0.1, 0.2), (0.0, 0.0), ("up", "down"), True),
        ((0.0, 0.0), (0.1, 0.2), ("up", "up"), True),
        ((0.0, 0.0), (0.0, 0.0), ("up", "up"), False),
        ((0.0, 0.2), (0.1, 0.2), ("up", "up"), False),
    ],
)
def test_a_cell_dominates_only_if_both_intervals_say_so(
    first: tuple[float, float], second: tuple[float, float], directions: tuple[str, str], expected: bool
) -> None:
    assert dominates(interval(*first), interval(*second), directions) is expected  # type: ignore[arg-type]


def test_a_missing_interval_dominates_nothing() -> None:
    assert not dominates(None, interval(0.1, 0.2))
    assert not dominates(interval(0.1, 0.2), None)


def test_dominated_cells_are_worse_than_one_other_on_both_metrics() -> None:
    looking = study(best=0.9, trade=0.5, poor=0.4, near=0.895)
    drawing = study(best=0.5, trade=0.9, poor=0.4, near=0.5)
    assert dominated_cells(looking, drawing) == ("poor",)
    assert dominated_cells(looking, drawing, ("down", "down")) == ("best", "trade", "near")


def test_an_exact_cost_counts_by_its_value() -> None:
    score = study(cheap=0.8, costly=0.5, same=0.5)
    flops = {"cheap": [1.1e12] * 5, "costly": [2.3e12] * 5, "same": [1.1e12] * 5}
    assert dominated_cells(score, flops, ("up", "down")) == ("costly", "same")
    flops["cheap"] = [3e12] * 5
    assert dominated_cells(score, flops, ("up", "down")) == ()
