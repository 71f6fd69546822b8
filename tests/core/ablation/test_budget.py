"""Equal budgets: what is solved, what is missed, and what cannot be made equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from janiform.ablation.budget import Budgets, budgets_of
from janiform.ablation.read import read_study
from janiform.ablation.resolve import with_solved
from janiform.ablation.study import Cell
from janiform.errors import JaniformError
from janiform.planning.design import design_costs
from janiform.planning.solve import parameters_of

CELLS = """
[cell.deep.generation.head]
depth = 3
[cell.shallow.generation.head]
depth = 1
[cell.no-encoder.training]
stages = ["tokenizer", "all"]
"""


def never(cell: Cell, stage: str) -> float:
    raise AssertionError("nothing is to be measured")


@pytest.fixture
def budgets(study_file: Path) -> Callable[[str], Budgets]:
    def solve(settings: str, cells: str = CELLS, seconds: Callable[[Cell, str], float] = never) -> Budgets:
        text = f'study = 1\nbase = "tiny.toml"\nprimary = "loss.picture"\n{settings}\n{cells}'
        study_file.write_text(text, encoding="utf-8")
        return budgets_of(read_study(study_file), design_costs, seconds)

    return solve


def test_equal_flops_differ_by_less_than_a_step(budgets: Callable[..., Budgets], study_file: Path) -> None:
    solved = budgets('equal = "flops"\n[budget.stage.all]\nsteps = 200')
    study = with_solved(read_study(study_file), solved.solved)
    base = design_costs(study.cell("base").recipe).flops
    for cell in study.cells:
        costs = design_costs(cell.recipe)
        step = costs.stages["all"].flops_per_step
        assert step is not None
        assert abs(costs.flops - base) <= step / 2 + 1
        assert solved.of(cell.name).flops == costs.flops
    steps = {cell.name: cell.recipe.stages["all"].steps for cell in study.cells}
    assert steps["base"] == 200
    assert steps["deep"] <= 200 <= steps["shallow"]
    assert steps["no-encoder"] > steps["base"]
    assert "FLOPs" in solved.of("no-encoder").residue
    assert {change.path for change in study.cell("no-encoder").changes} >= {"stage.all.steps", "training.stages"}


def test_equal_flops_of_another_stage_move_an_early_stop_with_its_schedule(budgets: Callable[..., Budgets]) -> None:
    settings = (
        'equal = { currency = "flops", stage = "tokenizer" }\n[budget.stage.tokenizer]\nsteps = 400\nstop = 100\n'
        "[budget.stage.encoder]\nsteps = 90"
    )
    solved = budgets(settings, "[cell.no-encoder.training]\nstages = ['tokenizer', 'all']\n").solved["no-encoder"]
    assert set(solved) == {"stage.tokenizer.steps", "stage.tokenizer.stop"}
    assert solved["stage.tokenizer.stop"] > 100
    assert solved["stage.tokenizer.steps"] == pytest.approx(4 * solved["stage.tokenizer.stop"], abs=4)


def test_equal_parameters_are_the_nearest_multiple(budgets: Callable[..., Budgets], study_file: Path) -> None:
    solved = budgets('equal = { currency = "parameters", setting = "backbone.inner", multiple = 4 }')
    study = read_study(study_file)
    wanted = parameters_of(study.cell("base").recipe)
    for name in ("deep", "shallow"):
        width = solved.solved[name]["backbone.inner"]
        assert width % 4 == 0
        cell = study.cell(name)
        sizes = {
            value: abs(parameters_of(cell.resolve({"backbone.inner": value})) - wanted)
            for value in range(max(4, width - 8), width + 9, 4)
        }
        assert sizes[width] == min(sizes.values())
        assert f"backbone.inner = {width}" in solved.of(name).residue


def test_equal_samples_name_what_a_cell_lacks(budgets: Callable[..., Budgets]) -> None:
    solved = budgets("", CELLS + "[cell.longer.stage.all]\nsteps = 5\n")
    assert not solved.solved
    assert solved.of("deep").residue == ""
    assert solved.of("no-encoder").residue == "without encoder"
    assert solved.of("longer").residue == "all: 20 samples for 12"


def test_equal_seconds_follow_what_is_measured(budgets: Callable[..., Budgets]) -> None:
    asked: list[tuple[str, str]] = []

    def seconds(cell: Cell, stage: str) -> float:
        asked.append((cell.name, stage))
        return 2.0 if cell.name == "deep" and stage == "all" else 1.0

    solved = budgets(
        'equal = "seconds"\n[budget.stage.all]\nsteps = 100', "[cell.deep.generation.head]\ndepth = 3\n", seconds
    )
    assert solved.solved == {"deep": {"stage.all.steps": 50}}
    assert solved.of("deep").residue == "+0.00% seconds"
    assert {stage for _, stage in asked} == {"tokenizer", "encoder", "all"}


@pytest.mark.parametrize(
    ("settings", "cells", "message"),
    [
        ('equal = "parameters"', CELLS, "no setting is named"),
        ('equal = { currency = "parameters", setting = "backbone.innr" }', CELLS, "did you mean 'inner'?"),
        ('equal = { currency = "flops", stage = "encoder" }', CELLS, "does not train the stage 'encoder'"),
        (
            'equal = "flops"',
            "[cell.long.stage.tokenizer]\nsteps = 3000\n",
            "its other stages take",
        ),
    ],
)
def test_what_cannot_be_equal_is_said_with_the_cell(
    settings: str, cells: str, message: str, budgets: Callable[..., Budgets]
) -> None:
    with pytest.raises(JaniformError) as raised:
        budgets(settings, cells)
    problems = [str(problem) for problem in raised.value.problems]
    assert any(message in problem for problem in problems), problems
