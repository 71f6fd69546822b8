"""Wrong devices and arguments of ``train`` are refused in one sentence before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from janiform import UsageError, read_recipe
from janiform.cli import main
from janiform.recipe import Recipe
from janiform.storage.model_json import about
from janiform.train.distributed.process_group import join_processes
from janiform.train.run.train import train


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "cuda"])
def test_a_device_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str], device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    out = tmp_path / "run"
    assert main(["train", "janus-mini", "--out", str(out), "--device", device]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the device '{device}' cannot be used: " in line
    assert not out.exists()


def test_of_several_processes_the_first_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    out = str(tmp_path / "run")
    wrong = [
        (["janus-mini", "--device", "gpu"], 2, "the device 'gpu' cannot be used: "),
        (["janus-minni"], 2, "there is no recipe called 'janus-minni'"),
        (["janus-mini", "--set", "training.workers=-1"], 1, "training.workers"),
    ]
    for arguments, code, message in wrong:
        reported = []
        for rank in ("0", "1"):
            monkeypatch.setenv("RANK", rank)
            monkeypatch.setenv("LOCAL_RANK", rank)
            assert main(["train", *arguments, "--out", out]) == code
            reported.append(capsys.readouterr().err)
        assert message in reported[0]
        assert not reported[1]


def test_processes_that_would_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for rank in ("0", "1"):  # on all processes, so that the first reports it
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(UsageError, match="2 processes of this machine need a GPU each: there are 1"):
            join_processes("cuda").__enter__()
        with pytest.raises(UsageError, match="2 processes cannot share the device 'cuda:0'"):
            join_processes("cuda:0").__enter__()


def test_wrong_arguments(recipe: Recipe, tmp_path: Path) -> None:
    wrong: list[tuple[str, Any]] = [
        ("seed must be a whole number from 0", {"seed": 1.5}),
        ("seed must be", {"seed": -1}),
        ("seed must be", {"seed": 2**64}),
        ("data_seed must be a whole number from 0", {"data_seed": "1"}),
        ("data_seed must be", {"data_seed": -1}),
        ("until must be", {"until": 2.5}),
        ("until must be at least 1, not 0", {"until": 0}),
        ("ahead must be", {"ahead": None}),
        ("stages must be", {"stages": 3}),
        ("the name of a stage must be a text", {"stages": [3]}),
        ("there is no stage 'txt'", {"stages": "txt"}),
        ("cannot be used", {"device": 0}),
    ]
    for sentence, arguments in wrong:
        with pytest.raises(UsageError, match=sentence):
            train(recipe, tmp_path / "run", **{"device": "cpu", **arguments})
    for given, out in (("janus-mini", tmp_path / "run"), (recipe, None)):
        with pytest.raises(UsageError, match="must be"):
            train(given, out)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_both_seeds_are_options_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def refused(recipe: Recipe, out: Path, **arguments: Any) -> Path:
        given.update(arguments)
        raise UsageError("enough")

    monkeypatch.setattr("janiform.train.run.train.train", refused)
    assert main(["train", "janus-mini", "--out", str(tmp_path / "run"), "--seed", "5", "--data-seed", "6"]) == 2
    assert (given["seed"], given["data_seed"]) == (5, 6)


def test_numbers_of_numpy_and_one_stage_by_its_name(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    seed, until = np.int64(2**62), np.int64(1)
    train(recipe, tmp_path, stages="text", seed=seed, until=until, device="cpu", reporter=listener, ahead=0)  # type: ignore[arg-type]
    assert about(tmp_path)["seed"] == 2**62
    assert read_recipe(tmp_path / "recipe.toml").training.seed == 2**62
