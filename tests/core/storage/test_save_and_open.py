"""Models are written, read back, and refused with every reason where they are not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import JaniformError, StorageError, UnifiedModel, UsageError
from janiform.storage.model_json import about
from janiform.storage.open import open_model
from janiform.storage.save import save_model
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny_model: UnifiedModel, tmp_path: Path) -> Path:
    return save_model(tiny_model, tmp_path / "model", facts={"seed": 7})


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change the tensors, and let the digest agree: what belongs together is what is tested."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    (folder / "model.json").unlink()


def test_a_model_comes_back_as_it_was(tiny_model: UnifiedModel, folder: Path) -> None:
    again = open_model(folder)
    assert again.state_dict().keys() == tiny_model.state_dict().keys()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in tiny_model.state_dict().items())
    assert again.processor.text.encode("a red circle") == tiny_model.processor.text.encode("a red circle")
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", WEIGHTS, "recipe.toml", "tokenizer.json"]


def test_the_file_may_be_smaller_than_the_model(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    save_model(tiny_model, tmp_path, dtype=torch.bfloat16)
    stored = load_file(tmp_path / WEIGHTS)
    rounded = {name: tensor for name, tensor in stored.items() if not name.startswith("generation.tokenizer.")}
    assert {tensor.dtype for tensor in rounded.values() if tensor.is_floating_point()} == {torch.bfloat16}
    again = open_model(tmp_path)
    weight = tiny_model.state_dict()["backbone.norm.weight"]
    assert again.state_dict()["backbone.norm.weight"].dtype == torch.float32
    assert torch.equal(again.state_dict()["backbone.norm.weight"], weight.bfloat16().float())
    assert open_model(tmp_path, dtype=torch.bfloat16).state_dict()["backbone.norm.weight"].dtype == torch.bfloat16


def test_a_smaller_file_gives_the_same_codes_for_a_picture(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    save_model(tiny_model, tmp_path, dtype=torch.bfloat16)
    tokenizer, again = (model.part("generation.tokenizer") for model in (tiny_model, open_model(tmp_path)))
    assert tokenizer.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in tokenizer.state_dict().items())


def test_provenance_is_kept(folder: Path) -> None:
    said = about(folder)
    assert said["seed"] == 7
    assert said["recipe"] == "tiny"
    assert said["weights"]["bytes"] == (folder / WEIGHTS).stat().st_size


def test_half_a_model_can_be_opened(tiny_model: UnifiedModel, folder: Path) -> None:
    half = open_model(folder, parts=("backbone", "understanding"))
    assert {name.split(".")[0] for name in half.state_dict()} == {"backbone", "understanding"}
    with pytest.raises(JaniformError, match="the recipe has no part 'understandin'"):
        open_model(folder, parts=("understandin",))


def test_all_tensors_that_do_not_fit_are_named(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["backbone.norm.weight"]
        tensors["backbone.more"] = torch.zeros(1)
        tensors["generation.head.bias"] = torch.zeros(2)
        name = next(name for name in tensors if name.startswith("understanding.adapter"))
        tensors[name] = torch.zeros(3, 3)

    rewrite(folder, change)
    with pytest.raises(StorageError) as caught:
        open_model(folder)
    said = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "backbone: the files lack backbone.norm.weight" in said
    assert "backbone: the files have tensors that the part does not have: backbone.more" in said
    assert "generation.head: the files have tensors that the part does not have: generation.head.bias" in said
    assert "layers.0.bias: the shape is [3, 3] in the files, and [32] in the recipe" in said


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("recorded", [True, False])
def test_truncated_weights_are_refused(folder: Path, kept: float, recorded: bool) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: int(len(data) * kept)])
    if not recorded:
        (folder / "model.json").unlink()
    with pytest.raises(StorageError, match="truncated" if recorded else "damaged"):
        open_model(folder)


def test_altered_weights_are_refused(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(data))
    with pytest.raises(StorageError, match="was altered"):
        open_model(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_damaged_provenance_is_said(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(StorageError, match=r"model\.json: is damaged"):
        open_model(folder)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model 'nowhere'"):
        open_model("nowhere")
    with pytest.raises(
        UsageError, match=r"no model directory of a layout .*; official: .*; hf: .*|.*janiform: recipe\.toml"
    ):
        open_model(tmp_path)
    with pytest.raises(UsageError, match=r"'my\.toml' has no weights; train it with: .* train my\.toml --out runs/my"):
        open_model("my.toml")
    (tmp_path / "run.json").write_text(json.dumps({}))
    with pytest.raises(UsageError, match="is not finished; resume it with: janiform train"):
        open_model(tmp_path)
