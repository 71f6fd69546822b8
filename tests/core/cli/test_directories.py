"""``check``, ``show`` and ``diff`` take a directory with a model wherever they take a recipe."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from janiform import open_model, read_recipe_text
from janiform.cli import main
from janiform.storage.convert import convert
from safetensors.torch import save_file

Capture = pytest.CaptureFixture[str]

CONFIGS = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


@pytest.fixture(scope="module")
def folders(official: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("layouts")
    for layout in ("hf", "janiform"):
        convert(official, place / layout, layout)
    return {"official": official, "hf": place / "hf", "janiform": place / "janiform"}


@pytest.mark.parametrize("layout", ["official", "hf", "janiform"])
def test_a_directory_of_every_layout(folders: dict[str, Path], capsys: Capture, layout: str) -> None:
    folder = folders[layout]
    model = open_model(folder)
    assert main(["check", str(folder), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["recipes"]
    assert said["fits"] is True
    assert said["costs"]["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    weights = said["weights"]
    assert weights["layout"] == f"{layout}@1"
    stored = torch.load(folder / "pytorch_model.bin", weights_only=True) if layout == "official" else model.state_dict()
    if layout != "hf":  # whose tensors are cut otherwise
        assert weights["tensors"] == len(stored)
    if layout == "official":
        assert weights["stored"] == {"float32": sum(tensor.nbytes for tensor in stored.values())}
        assert len(weights["left_out"]) == 14
    assert main(["check", str(folder)]) == 0
    assert f"the format is {layout}@1" in " ".join(capsys.readouterr().out.split())

    assert main(["show", str(folder)]) == 0
    text = capsys.readouterr().out
    assert read_recipe_text(text) == model.plan.recipe
    assert "/plugins/" not in text
    assert layout == "janiform" or f"width = 96                            # {folder / 'config.json'}" in text


def test_an_override_is_laid_over_a_directory(folders: dict[str, Path], capsys: Capture) -> None:
    folder = str(folders["official"])
    assert main(["show", folder, "--set", "generation.sampler.guidance=2", "--no-origins"]) == 0
    assert "guidance = 2.0" in capsys.readouterr().out
    assert main(["show", folder, "--set", "backbone.layers=2"]) == 0
    shown = capsys.readouterr().out
    assert "layers = 2                            # --set 'backbone.layers=2'" in shown
    assert f"width = 96                            # {folder}/config.json" in shown
    assert main(["check", folder, "--set", "backbone.layers=2"]) == 1
    assert "tensors that the part does not have: language_model.model.layers.2" in capsys.readouterr().err
    assert main(["diff", folder, str(folders["hf"])]) == 0
    assert "text" not in capsys.readouterr().out.replace("text_config", "")


def test_everything_that_is_wrong_with_the_tensors(official: Path, tmp_path: Path, capsys: Capture) -> None:
    for name in CONFIGS:
        shutil.copy(official / name, tmp_path)
    state = torch.load(official / "pytorch_model.bin", weights_only=True)
    del state["aligner.layers.0.bias"]
    state["gen_embed.weight"] = state["gen_embed.weight"][:5].clone()
    state["aligner.layers.7.weight"] = torch.full((2,), float("nan"))  # its values are not looked at
    save_file(state, tmp_path / "model.safetensors")
    assert main(["check", str(tmp_path), "janus-mini", "--json"]) == 1
    broken, mini = json.loads(capsys.readouterr().out)["recipes"]
    assert [problem["path"] for problem in broken["problems"]] == [
        "understanding.adapter", "generation.embedding", "understanding.adapter",
    ]  # fmt: skip
    said = " ".join(problem["message"] for problem in broken["problems"])
    for part in (
        "lack aligner.layers.0.bias",
        "gen_embed.weight: the shape is [5, 8]",
        "part does not have: aligner.layers.7",
    ):
        assert part in said
    assert (mini["fits"], "weights" in mini) == (True, False)


def test_a_run_that_is_not_finished_and_a_folder_of_nothing(
    folders: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    shutil.copy(folders["janiform"] / "recipe.toml", tmp_path)
    (tmp_path / "run.json").write_text("{}")
    assert main(["check", str(tmp_path), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["recipes"]
    assert "weights" not in said
    assert main(["show", str(tmp_path)]) == 0
    assert f"# {tmp_path / 'recipe.toml'}:" in capsys.readouterr().out
    (tmp_path / "recipe.toml").unlink()
    checks: list[Callable[[], int]] = [lambda: main(["check", str(tmp_path)]), lambda: main(["show", str(tmp_path)])]
    for check in checks:
        assert check() == 2
        assert "not a model directory in any installed format (bagel: " in capsys.readouterr().err.replace("\n  ", " (")
