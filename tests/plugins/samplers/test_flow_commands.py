"""Commands with a model whose pictures are drawn from noise: planning, drawing, and redrawing a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flow_recipes import STAGE, tiny_flow
from janiform import Guidance, UnifiedModel, build_model, provenance_of, read_recipe_text, sampler_of, save_model
from janiform.cli import main
from janiform.compose import compose
from janiform.inference.memory import memory_for_drawing, memory_needs
from janiform.measure.peak import _LiveTensors
from PIL import Image


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    torch.manual_seed(0)
    made = build_model(compose(read_recipe_text(tiny_flow())))
    made.processor.fit(["a red circle"] * 4)
    return made.eval()


@pytest.fixture(scope="module")
def folder(model: UnifiedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(model, tmp_path_factory.mktemp("models") / "flow"))


def test_a_picture_is_redrawn_from_its_record(folder: str, tmp_path: Path, capsys: Any) -> None:
    settings = ["--seed", "7", "--steps", "6", "--solver", "heun", "--renorm", "global", "--guidance-above", "0.4"]
    assert main(["generate", folder, "a red circle", *settings, "--out", str(tmp_path / "first")]) == 0
    (drawn,) = (tmp_path / "first").iterdir()
    record = provenance_of(drawn)
    assert record is not None
    assert record.settings["steps"] == 6
    assert record.settings["solver"] == "heun"
    capsys.readouterr()
    assert main(["generate", folder, "--like", str(drawn), "--out", str(tmp_path / "again")]) == 0
    assert "the same picture, pixel for pixel" in capsys.readouterr().err
    (again,) = (tmp_path / "again").iterdir()
    assert np.array_equal(np.asarray(Image.open(drawn)), np.asarray(Image.open(again)))


def test_settings_of_training_are_not_options(folder: str, capsys: Any) -> None:
    assert main(["generate", folder, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--guidance-up-to" in shown
    for name in ("--data-at", "--times", "--training-shift"):
        assert name not in shown


def test_steps_out_of_range_are_one_sentence(folder: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["generate", folder, "a", "--steps", "0", "--out", str(tmp_path)]) != 0
    assert "steps 0 is not a whole number from 1 to 1000" in capsys.readouterr().err


def test_a_recipe_is_checked_and_planned(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "flow.toml"
    path.write_text(tiny_flow() + STAGE, encoding="utf-8")
    assert main(["check", str(path)]) == 0
    capsys.readouterr()
    assert main(["plan", str(path), "--gpus", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_an_embedding_with_another_time_of_data_is_refused(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "flow.toml"
    path.write_text(tiny_flow("guidance = 2.0 -> guidance = 2.0, data_at = 0"), encoding="utf-8")
    assert main(["check", str(path)]) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert "patches@1 takes 1 as the time of complete pictures, but the sampler has them at 0" in shown
    assert "set data_at to 0" in shown


def test_the_planned_memory_bounds_what_is_allocated(model: UnifiedModel) -> None:
    prompts = [model.processor.drawing_prompt("a red circle") for _ in range(6)]
    plan = memory_for_drawing(model, prompts, "generation", Guidance.plain(2.0))
    assert plan.at_once == 6
    live = _LiveTensors([*model.parameters(), *model.buffers()])
    with live:
        sampler_of(model.plan).draw(model, prompts, seeds=list(range(6)))
    assert 0 < live.peak <= plan.cache + plan.work
    assert memory_needs(model).code["generation"] > 0
