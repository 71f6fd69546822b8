"""A step none of whose samples reaches a trained parameter changes nothing, is counted, and is announced beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform.recipe import read_recipe_text
from janiform.storage.model_json import about
from janiform.train.progress.log import read_log
from janiform.train.run.train import train
from safetensors.torch import load_file
from started_processes import together
from tiny_recipes import tiny_recipe
from torch import Tensor

SCRIPT = Path(__file__).parents[1] / "processes.py"

RECIPE = (
    tiny_recipe("tiny", text='text = { use = "bpe", vocabulary = 300 }\nlayout = { use = "janus", system = "" }\n')
    + """
[source]
ask = { use = "shapes", task = "ask", questions = 1 }
read = { use = "shapes", task = "read" }

[stage.adapter]
objective = { use = "autoregressive" }
train = ["understanding.adapter"]
mixture = { read = 1, ask = 1 }
steps = 6
batch = 1
learning_rate = 1e-2
weight_decay = 0.1
ema = 0.5
log_every = 1

[training]
checkpoint_every = 1
keep = 9
"""
)
TEXT_ONLY = RECIPE.replace("ask = 1 }\n", "}\n").replace("read = 1, }", "read = 1 }").replace("batch = 1", "batch = 4")


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)


def stored(folder: Path, step: int) -> dict[str, Tensor]:
    """What a checkpoint holds, without random states and AdamW's count of steps."""
    path = folder / "checkpoints" / f"step-{step:06d}"
    tensors = {name: tensor for file in path.glob("*.safetensors") for name, tensor in load_file(file).items()}
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("random")}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_idle_steps_change_nothing_and_are_counted(tmp_path: Path, listener: Any) -> None:
    train(read_recipe_text(RECIPE), tmp_path, device="cpu", reporter=listener, ahead=0)
    entries: list[Any] = read_log(tmp_path / "log.jsonl")
    idle = ["text" in entry["losses"] for entry in entries]
    assert idle == [True, False] * 3
    for entry in entries:
        assert entry["idle_steps"] == entry["skipped_steps"] == ("text" in entry["losses"])
    for step in (3, 5):  # after an update, so that momentum, decay and averages could move weights
        assert same(stored(tmp_path, step - 1), stored(tmp_path, step))
    assert not same(stored(tmp_path, 3), stored(tmp_path, 4))
    assert "3 of 6 steps changed nothing: in 3 of them no sample reached a trained parameter" in listener.said
    assert (about(tmp_path)["skipped_steps"], about(tmp_path)["idle_steps"]) == (3, 3)


def test_idle_samples_are_announced_before_the_first_step(tmp_path: Path, listener: Any) -> None:
    train(read_recipe_text(RECIPE), tmp_path, until=1, device="cpu", reporter=listener, ahead=0)
    (announced,) = (said for said in listener.said if "reaches a parameter" in said or "reach no" in said)
    assert announced == (
        "stage 'adapter': none of the first 16 examples of source 'read' reaches a parameter that the stage trains "
        "(understanding.adapter); a step of such examples alone changes nothing"
    )


def test_a_resumed_run_counts_the_idle_steps_before(tmp_path: Path, listener: Any) -> None:
    """Also those after the last line of the log."""
    recipe = read_recipe_text(RECIPE.replace("log_every = 1", "log_every = 2"))
    train(recipe, tmp_path / "cut", until=3, device="cpu", reporter=listener, ahead=0)
    for name in ("log.jsonl", "model.json"):
        (tmp_path / "cut" / name).unlink()
    train(recipe, tmp_path / "cut", resume=True, device="cpu", reporter=listener, ahead=0)
    train(recipe, tmp_path / "whole", device="cpu", reporter=listener, ahead=0)
    assert about(tmp_path / "cut")["idle_steps"] == about(tmp_path / "whole")["idle_steps"] == 3
    assert same(stored(tmp_path / "cut", 6), stored(tmp_path / "whole", 6))


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_without_a_gradient(tmp_path: Path, listener: Any, micro_batch: int) -> None:
    """Steps of which only some micro-batches reach the adapter, and of which none does."""
    mixed = RECIPE.replace("batch = 1", f"batch = 4\nmicro_batch = {micro_batch}")
    train(read_recipe_text(mixed), tmp_path / "mixed", until=2, device="cpu", reporter=listener, ahead=0)
    assert [entry["idle_steps"] for entry in read_log(tmp_path / "mixed" / "log.jsonl")] == [0, 0]
    only = TEXT_ONLY.replace("batch = 4", f"batch = 4\nmicro_batch = {micro_batch}")
    train(read_recipe_text(only), tmp_path / "only", until=2, device="cpu", reporter=listener, ahead=0)
    assert same(stored(tmp_path / "only", 1), stored(tmp_path / "only", 2))


def test_several_processes_count_as_one_does(tmp_path: Path, listener: Any) -> None:
    (tmp_path / "recipe.toml").write_text(TEXT_ONLY)
    together(SCRIPT, 2, tmp_path, "train:replicate:2", "train:shard:3")
    train(read_recipe_text(TEXT_ONLY), tmp_path / "alone", until=3, device="cpu", reporter=listener, ahead=0)
    for name in ("run", "alone"):
        assert [entry["idle_steps"] for entry in read_log(tmp_path / name / "log.jsonl")] == [1, 1, 1]
        assert json.loads((tmp_path / name / "model.json").read_text())["idle_steps"] == 3
    left, right = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "alone"))
    assert same(left, right)
