"""A run that is killed at any instant, while it saves itself too, ends with the weights of one that never was."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform.recipe import read_recipe_text
from janiform.train.run.train import train
from safetensors.torch import load_file

SCRIPT = Path(__file__).parent / "killed.py"


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_at_random_instants_change_no_bit(
    kills: int, recipe_text: str, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    recipe_text = recipe_text.replace("checkpoint_every = 2", "checkpoint_every = 1")
    (tmp_path / "recipe.toml").write_text(recipe_text)
    recipe = read_recipe_text(recipe_text)
    train(recipe, tmp_path / "whole", stages=["text", "all"], device="cpu", reporter=listener, ahead=0)
    torch.set_num_threads(threads)
    seed = random.randrange(1 << 30)
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), str(kills), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, f"seed {seed}: {ended.stderr}"
    said = json.loads(ended.stdout)
    print(said)
    assert said["kills"] == kills
    expected = load_file(tmp_path / "whole" / "checkpoints" / "step-000010" / "model.safetensors")
    for name in said["runs"]:
        found = load_file(tmp_path / name / "checkpoints" / "step-000010" / "model.safetensors")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items()), f"seed {seed}, {name}"
