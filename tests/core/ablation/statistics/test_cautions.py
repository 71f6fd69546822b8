"""Cautions: chance, one score everywhere, no scatter, more seeds than planned."""

from __future__ import annotations

from typing import Any

import pytest
from janiform.ablation.statistics import cautions
from janiform.evaluate.intervals import wilson


def kinds(*args: Any, **settings: Any) -> list[str]:
    return [caution.kind for caution in cautions(*args, **settings)]


def limits(successes: dict[str, list[int]], count: int) -> dict[str, list[tuple[float, float]]]:
    return {cell: [wilson(k / count, count) for k in row] for cell, row in successes.items()}


def test_a_metric_at_chance_in_all_cells_is_named_by_its_intervals_over_items() -> None:
    hits = {"base": [24, 27], "new": [22, 25]}
    scores = {cell: [k / 100 for k in row] for cell, row in hits.items()}
    (caution,) = cautions("understanding.colour", scores, chance=0.25, limits=limits(hits, 100))
    assert caution.kind == "chance"
    assert "no cell is distinguishable from chance (0.25): 'understanding.colour'" in caution.message
    # More items tell the same scores from chance; so does another direction, and another chance.
    above = {"base": [k * 100 for k in hits["base"]], "new": [2700, 2800]}
    higher = {cell: [k / 10000 for k in row] for cell, row in above.items()}
    assert kinds("m", higher, chance=0.25, limits=limits(above, 10000)) == []
    assert kinds("m", scores, chance=0.1, limits=limits(hits, 100)) == []
    assert kinds("m", scores, "down", chance=0.5, limits=limits(hits, 100)) == []
    assert kinds("m", scores, "up", chance=0.5, limits=limits(hits, 100)) == ["chance"]


def test_one_cell_above_chance_is_enough() -> None:
    hits = {"base": [24, 27], "new": [60, 65]}
    scores = {cell: [k / 100 for k in row] for cell, row in hits.items()}
    assert kinds("m", scores, chance=0.25, limits=limits(hits, 100)) == []


def test_without_items_the_seeds_decide_and_two_are_too_few() -> None:
    scores = {"base": [0.24, 0.27, 0.25], "new": [0.22, 0.25, 0.29]}
    assert kinds("m", scores, chance=0.25) == ["chance"]
    assert kinds("m", scores, chance=0.1) == []
    assert kinds("m", {cell: row[:2] for cell, row in scores.items()}, chance=0.25) == []


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_score_in_all_runs_is_named_once(value: float) -> None:
    (caution,) = cautions("drawing.overall", {"base": [value] * 3, "new": [value, value, None]})
    assert caution.kind == "same score"
    assert caution.message.startswith(f"all 5 runs have the same 'drawing.overall', {value:g}")


def test_cells_without_scatter_over_seeds_are_named() -> None:
    (caution,) = cautions("m", {"base": [0.5, 0.6], "floor": [0.0, 0.0], "top": [1.0, 1.0], "single": [0.3, None]})
    assert caution.kind == "no scatter"
    assert "in 'floor', 'top':" in caution.message


def test_more_seeds_than_planned_are_named() -> None:
    scores = {"base": [0.5, 0.6, 0.7, 0.4], "new": [0.5, 0.6, 0.7, None]}
    (caution,) = cautions("m", scores, planned_seeds=3)
    assert caution.message.startswith("4 seeds were run and 3 planned")
    assert kinds("m", scores, planned_seeds=4) == kinds("m", scores) == []


def test_a_study_without_scores_has_no_cautions() -> None:
    assert cautions("m", {"base": [None], "new": [float("nan")]}, chance=0.5, planned_seeds=3) == ()
