"""Several processes compute what one does, with all weights each or a share of them, and resume each other's runs."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import RecipeError
from janiform.recipe import read_recipe_text
from janiform.train.checkpoints.checkpoint import load_newest
from janiform.train.data.specs import indivisible
from janiform.train.distributed.process_group import ALONE
from janiform.train.progress.log import read_log
from janiform.train.run.train import train
from safetensors.torch import load_file
from started_processes import together
from torch import Tensor

SCRIPT = Path(__file__).parent / "processes.py"


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("processes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], atol: float) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=atol, msg=lambda said, at=name: f"{at}: {said}")


def assert_computes_the_same(count: int, kinds: tuple[str, ...], recipe_text: str, folder: Path) -> None:
    script = load_script()
    (folder / "recipe.toml").write_text(recipe_text)
    recipe = read_recipe_text(recipe_text.replace(*script.LAYERS))
    ways = {kind: kind.replace("shard", "replicate").replace("hybrid", "replicate") for kind in kinds}
    alone = {way: script.first_steps(recipe, ALONE, way) for way in set(ways.values())}
    together(SCRIPT, count, folder, *kinds)
    for kind in kinds:
        expected = alone[ways[kind]]
        every = [torch.load(folder / f"{kind}-{rank}.pt") for rank in range(count)]
        for found in every:
            assert found["losses"] == pytest.approx(expected["losses"], rel=1e-5)
            assert found["norm"] == pytest.approx(expected["norm"], rel=1e-4)
            assert_close(found["gradients"], expected["gradients"], 1e-6)
            # Muon makes the smallest directions of a gradient, which are rounding, as large as the others.
            assert_close(found["weights"], expected["weights"], 1e-4)
            assert_close(found["averages"], expected["averages"], 1e-4)
            assert all(torch.equal(found["weights"][name], tensor) for name, tensor in every[0]["weights"].items())


def test_two_processes_compute_what_one_does(recipe_text: str, tmp_path: Path) -> None:
    kinds = ("replicate", "shard", "shard+lora", "shard+encoder", "shard+aligned")
    assert_computes_the_same(2, kinds, recipe_text, tmp_path)


def test_two_processes_train_a_tokenizer_by_captions_as_one_does(recipe_text: str, tmp_path: Path) -> None:
    assert_computes_the_same(2, ("shard+semantic",), recipe_text, tmp_path)


@pytest.mark.slow
def test_four_processes_compute_what_one_does(recipe_text: str, tmp_path: Path) -> None:
    assert_computes_the_same(4, ("replicate", "shard", "hybrid"), recipe_text, tmp_path)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "checkpoints" / "step-000020" / "model.safetensors")


def test_a_run_goes_on_with_another_number_of_processes(
    recipe_text: str, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    recipe = read_recipe_text(recipe_text)
    (tmp_path / "recipe.toml").write_text(recipe_text)
    train(recipe, tmp_path / "run", until=11, device="cpu", reporter=listener, ahead=0)
    together(SCRIPT, 2, tmp_path, "train:shard:18")
    newest = tmp_path / "run" / "checkpoints" / "step-000018"
    assert sorted(file.name for file in newest.glob("*.safetensors")) == [
        "shard-00001-model-00001-of-00001.safetensors", "shard-00002-model-00001-of-00001.safetensors",
    ]  # fmt: skip
    damaged = tmp_path / "damaged"
    shutil.copytree(tmp_path / "run" / "checkpoints", damaged)
    next((damaged / newest.name).glob("shard-00002*")).unlink()
    said: list[str] = []
    stored = load_newest(damaged, said.append)
    assert stored is not None
    assert stored.position.total == 16
    assert said == ["skipped checkpoint step-000018: it lacks shard-00002-model-00001-of-00001.safetensors"]
    train(recipe, tmp_path / "run", resume=True, device="cpu", reporter=listener, ahead=0)
    assert any(said.startswith("training.parallel: 'shard' before, 'replicate' from here on") for said in listener.said)
    assert "resuming after step 4 of all" in listener.said
    train(recipe, tmp_path / "alone", device="cpu", reporter=listener, ahead=0)
    found, expected = weights(tmp_path / "run"), weights(tmp_path / "alone")
    assert found.keys() == expected.keys()
    off = torch.cat([(found[name] - expected[name]).abs().float().flatten() for name in expected])
    # AdamW moves a weight whose gradient is nothing but rounding as far as any other: a learning rate, up or down.
    assert (off > 1e-5).float().mean() < 0.002
    assert off.max() < 9 * 1e-3
    logs: list[list[Any]] = [read_log(tmp_path / name / "log.jsonl") for name in ("run", "alone")]
    for left, right in zip(logs[0][-3:], logs[1][-3:], strict=True):
        assert left["total"] == right["total"]
        assert left["predictions"] == right["predictions"]
        assert left["losses"] == pytest.approx(right["losses"], rel=1e-4)


@pytest.mark.slow
def test_a_whole_run_of_two_processes(recipe_text: str, tmp_path: Path, listener: Any) -> None:
    """Also the stages that cannot be divided, which one process trains while the other waits."""
    (tmp_path / "recipe.toml").write_text(recipe_text)
    together(SCRIPT, 2, tmp_path, "train:replicate:7", "train:shard:0")
    assert (tmp_path / "run" / "model.safetensors").exists()
    entries: list[Any] = read_log(tmp_path / "run" / "log.jsonl")
    assert [entry["total"] for entry in entries][-1] == 20


def test_a_batch_that_processes_cannot_divide_is_refused() -> None:
    assert indivisible("all", 12, 4) is None
    problem = indivisible("all", 10, 4)
    assert problem is not None
    assert str(RecipeError(problem)) == (
        "stage.all.batch: the 10 samples of a step cannot be divided equally among 4 processes "
        "(set batch to 8 or 12, or start another number of processes)"
    )
    assert "set batch to 4," in str(indivisible("all", 3, 4))
