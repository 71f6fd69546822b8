"""The shipped studies compose, and hold equal what they say that they hold equal."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from janiform import registry
from janiform.ablation.read import read_study
from janiform.ablation.study import Cell

FILES = sorted((Path(registry().recipes()["janus-micro"]).parent / "studies").glob("*.toml"))
STAGES = ("stage-1", "stage-2", "stage-3")


def samples_by_task(cell: Cell, stage_name: str) -> dict[str, Fraction]:
    """Samples of each task in a stage, by the ratios of its mixture."""
    stage = cell.recipe.stages[stage_name]
    ratios: Counter[str] = Counter()
    for name, ratio in stage.mixture.items():
        config = cell.recipe.sources[name].config
        task = {"list": "ask", "plan": "read"}.get(config.task, config.task)
        ratios[task] += Fraction(str(ratio))  # type: ignore[assignment]
    samples = stage.batch * stage.last
    return {task: samples * ratio / sum(ratios.values()) for task, ratio in ratios.items() if ratio}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_composes(file: Path) -> None:
    study = read_study(file)
    assert study.name == file.stem
    assert len(study.cells) > 1


@pytest.mark.parametrize("stage", STAGES)
def test_models_of_one_task_see_as_many_samples_of_it_as_the_unified_one(stage: str) -> None:
    cells = {cell.name: samples_by_task(cell, stage) for cell in read_study(study_file("decoupled")).cells}
    both = cells["decoupled"]
    assert cells["coupled"] == both
    assert cells["only-looks"] == {task: number for task, number in both.items() if task != "draw"}
    assert cells["only-draws"] == {task: number for task, number in both.items() if task != "ask"}


@pytest.mark.parametrize("stage", STAGES)
def test_questions_are_left_out_and_doubled_and_drawings_stay(stage: str) -> None:
    cells = {cell.name: samples_by_task(cell, stage) for cell in read_study(study_file("questions")).cells}
    rest = {task: number for task, number in cells["as-many"].items() if task != "ask"}
    assert cells["none"] == rest
    assert cells["twice"] == rest | {"ask": 2 * cells["as-many"]["ask"]}


def test_noise_is_in_captions_of_drawings_only_and_halved_by_the_mixture() -> None:
    cells = {cell.name: cell.recipe for cell in read_study(study_file("captions")).cells}
    for name, fraction in (("noisy", 1), ("mixed", Fraction(1, 2))):
        recipe = cells[name]
        noisy = {source for source, table in recipe.sources.items() if table.config.noise}
        for stage in ("tokenizer", "encoder"):
            assert noisy.isdisjoint(recipe.stages[stage].mixture)
        for stage in STAGES:
            drawn = {
                source: Fraction(str(ratio))
                for source, ratio in recipe.stages[stage].mixture.items()
                if recipe.sources[source].config.task == "draw"
            }
            assert sum(drawn[source] for source in drawn.keys() & noisy) == fraction * sum(drawn.values())


def test_ratios_are_those_of_the_papers() -> None:
    cells = {cell.name: samples_by_task(cell, "stage-3") for cell in read_study(study_file("ratios")).cells}
    for name, (ask, read, draw) in (("5-1-4", (5, 1, 4)), ("7-3-10", (7, 3, 10))):
        samples = cells[name]
        total = sum(samples.values())
        expected = {"ask": ask, "read": read, "draw": draw}
        assert samples == {task: total * Fraction(ratio, ask + read + draw) for task, ratio in expected.items()}


def study_file(name: str) -> Path:
    return next(file for file in FILES if file.stem == name)
