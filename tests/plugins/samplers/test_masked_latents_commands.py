"""Commands with models whose places are drawn by a diffusion each: planning, drawing, and redrawing a picture."""

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
from janiform.inference.memory import memory_for_drawing
from janiform.measure.peak import _LiveTensors
from PIL import Image

MAR = (
    'frequencies = 16, positions = "waves" -> time = "none", positions = "waves", mask = true',
    'use = "values", norm = "rms" -> use = "diffusion", width = 24, depth = 2, frequencies = 8, steps = 6, clip = 3',
    'use = "flow", steps = 4 -> use = "masked-latents", steps = 5',
)
HARMON = (
    'embedding = { use = "patches", frequencies = 16, positions = "waves" } -> '
    'embedding = { use = "mar", width = 12, layers = 1, heads = 2, buffer = 3 }',
    'adapter = { use = "identity" } -> adapter = { use = "mlp", activation = "silu" }',
    'use = "values", norm = "rms" -> use = "mar", width = 12, layers = 1, heads = 2, buffer = 3, net_width = 8',
    'use = "flow", steps = 4 -> use = "masked-latents", steps = 5',
    "one_position = true -> one_position = false",
)
DESIGNS = {"mar": MAR, "harmon": HARMON}


def model_of(design: str) -> UnifiedModel:
    torch.manual_seed(0)
    made = build_model(compose(read_recipe_text(tiny_flow(*DESIGNS[design]))))
    made.processor.fit(["a red circle"] * 4)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(model_of("mar"), tmp_path_factory.mktemp("models") / "mar"))


def test_a_picture_is_redrawn_from_its_record(folder: str, tmp_path: Path, capsys: Any) -> None:
    settings = ["--seed", "7", "--steps", "6", "--guidance-schedule", "linear", "--temperature", "0.9"]
    assert main(["generate", folder, "a red circle", *settings, "--out", str(tmp_path / "first")]) == 0
    (drawn,) = (tmp_path / "first").iterdir()
    record = provenance_of(drawn)
    assert record is not None
    assert (record.settings["steps"], record.settings["guidance_schedule"]) == (6, "linear")
    capsys.readouterr()
    assert main(["generate", folder, "--like", str(drawn), "--out", str(tmp_path / "again")]) == 0
    assert "the same picture, pixel for pixel" in capsys.readouterr().err
    (again,) = (tmp_path / "again").iterdir()
    assert np.array_equal(np.asarray(Image.open(drawn)), np.asarray(Image.open(again)))


def test_wrong_steps_are_one_sentence(folder: str, tmp_path: Path, capsys: Any) -> None:
    for steps, sentence in (("0", "steps 0 is not a whole number of at least 1"), ("17", "17 steps for the 16 places")):
        assert main(["generate", folder, "a", "--steps", steps, "--out", str(tmp_path)]) != 0
        assert sentence in " ".join(capsys.readouterr().err.split())
    assert main(["generate", folder, "--help"]) == 0
    assert "--least-hidden" not in capsys.readouterr().out


@pytest.mark.parametrize("design", DESIGNS)
def test_a_recipe_is_checked_and_planned(design: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "design.toml"
    path.write_text(tiny_flow(*DESIGNS[design]) + STAGE, encoding="utf-8")
    assert main(["check", str(path)]) == 0
    capsys.readouterr()
    assert main(["plan", str(path), "--gpus", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_recipe_trains_and_its_model_draws(design: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "design.toml"
    path.write_text(tiny_flow(*DESIGNS[design]) + STAGE, encoding="utf-8")
    run = str(tmp_path / "run")
    assert main(["train", str(path), "--out", run, "--device", "cpu", "--workers", "0"]) == 0, capsys.readouterr().err
    assert main(["generate", run, "a red circle", "--out", str(tmp_path / "drawn")]) == 0
    (drawn,) = (tmp_path / "drawn").iterdir()
    assert Image.open(drawn).size == (16, 16)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_planned_memory_bounds_what_is_allocated(design: str) -> None:
    model = model_of(design)
    prompts = [model.processor.drawing_prompt("a red circle") for _ in range(6)]
    plan = memory_for_drawing(model, prompts, "generation", Guidance.plain(2.0))
    assert plan.at_once == 6
    live = _LiveTensors([*model.parameters(), *model.buffers()])
    with live:
        sampler_of(model.plan).draw(model, prompts, seeds=list(range(6)), steps=1)
    assert 0 < live.peak <= plan.cache + plan.work
