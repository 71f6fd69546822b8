"""Budgets are made equal by steps or by a width, and what remains is told."""

from __future__ import annotations

import pytest
from attrs import evolve
from janiform import CompositionError, UsageError, build_model
from janiform.compose import compose
from janiform.planning.design import design_costs
from janiform.planning.solve import parameters_of, solve_width, steps_for_flops, with_steps
from janiform.recipe import Recipe, read_recipe_text
from janiform.train.loop.optim import rate_at
from tiny_recipes import tiny_recipe
from tiny_stages import STAGES

RECIPE = tiny_recipe("small") + STAGES


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe_text(RECIPE)


def wide(width: int) -> Recipe:
    return read_recipe_text(RECIPE, overrides=[f"backbone.width={width}", f"backbone.inner={2 * width}"])


def test_steps_change_and_nothing_else(recipe: Recipe) -> None:
    changed = with_steps(recipe, "encoder", 7)
    assert changed.stages["encoder"] == evolve(recipe.stages["encoder"], steps=7)
    assert evolve(changed, stages=recipe.stages) == recipe
    assert recipe.stages["encoder"].steps == 10


def test_a_stage_that_stops_early_stops_at_the_same_part_of_its_schedule(recipe: Recipe) -> None:
    stage = evolve(recipe.stages["encoder"], steps=1000, stop=400, warmup=30, schedule="cosine")
    changed = with_steps(evolve(recipe, stages={"encoder": stage}), "encoder", 100).stages["encoder"]
    assert (changed.last, changed.stop, changed.steps, changed.warmup) == (100, 100, 250, 30)

    def last(one: object) -> float:
        return rate_at(one.last, steps=one.steps, learning_rate=1.0, warmup=0, schedule="cosine", final_fraction=0.0)  # type: ignore[attr-defined]

    assert last(changed) == pytest.approx(last(stage), rel=0.01)


def test_steps_that_cannot_be_are_refused(recipe: Recipe) -> None:
    stage = evolve(recipe.stages["encoder"], warmup=5)
    with pytest.raises(
        UsageError, match=r"stage\.encoder\.steps: a schedule of 3 steps is shorter than the warm-up of 5"
    ):
        with_steps(evolve(recipe, stages={"encoder": stage}), "encoder", 3)
    with pytest.raises(UsageError, match="at least 1 step; got 0"):
        with_steps(recipe, "encoder", 0)
    with pytest.raises(UsageError, match=r"no stage 'encodr'.*encoder"):
        with_steps(recipe, "encodr", 5)
    with pytest.raises(UsageError, match="no stage 'encodr'"):
        steps_for_flops(recipe, "encodr", 5)


@pytest.mark.parametrize("stage", ["tokenizer", "encoder"])
def test_steps_for_flops_are_the_nearest(recipe: Recipe, stage: str) -> None:
    target = 37.4 * design_costs(recipe, [stage]).flops / 10
    steps, residue = steps_for_flops(recipe, stage, target)
    assert steps == 37
    assert design_costs(with_steps(recipe, stage, steps), [stage]).flops == pytest.approx(target + residue)
    assert abs(residue) <= target / 37.4 / 2 * 1.001
    assert steps_for_flops(recipe, stage, 1)[0] == 1


@pytest.mark.parametrize("multiple", [2, 4, 6])
def test_a_width_is_the_nearest_of_all(multiple: int) -> None:
    sizes = {width: parameters_of(wide(width)) for width in range(multiple, 80, multiple) if width % 4 == 0}
    for target in (sizes[min(sizes)] - 5, sizes[24] + 1, (sizes[24] + sizes[36]) // 2 + 7, sizes[60] - 3):
        expected = min(sizes, key=lambda width: (abs(sizes[width] - target), width))
        assert solve_width(even, target, multiple) == (expected, sizes[expected] - target)


def even(width: int) -> Recipe:
    """Two heads with an even width each."""
    if width % 4:
        raise CompositionError(f"{width} cannot be divided")
    return wide(width)


def test_parameters_are_those_of_the_model(recipe: Recipe) -> None:
    assert parameters_of(recipe) == sum(parameter.numel() for parameter in build_model(compose(recipe)).parameters())


def test_widths_that_never_fit_are_told_with_the_reason(recipe: Recipe) -> None:
    def never(width: int) -> Recipe:
        raise CompositionError(f"{width} is too wide")

    with pytest.raises(UsageError, match=r"no width of 8 to 512 in steps of 8 composes(.|\n)*512 is too wide"):
        solve_width(never, 1000)
    with pytest.raises(UsageError, match=r"no width up to .* gives 1,000,000,000 parameters: there are .* at 8 and"):
        solve_width(lambda width: recipe, 10**9)
    with pytest.raises(UsageError, match="at least 1"):
        solve_width(wide, 0)
