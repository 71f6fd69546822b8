"""Low-rank adapters in files of their own, and merged into what is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import StorageError
from janiform.model.lora import Learned
from janiform.recipe import Lora
from janiform.storage.adapters import read_adapters, save_adapters, with_adapters
from janiform.storage.convert import convert
from janiform.storage.export import Export
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

PATH = "backbone.layers.0.mlp.down_proj"
LORA = Lora(on=("backbone",), rank=3, alpha=6.0)


def learned(rows: int, columns: int) -> Learned:
    return Learned(torch.randn(3, columns), torch.randn(rows, 3), 6.0)


def test_what_is_written_is_what_peft_reads_and_reads_back(tmp_path: Path) -> None:
    saved = {PATH: learned(5, 4)}
    save_adapters(saved, LORA, "weights/base", tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 3, 6.0)
    assert config["target_modules"] == [PATH]
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == {
        f"base_model.model.{PATH}.lora_A.weight": [3, 4], f"base_model.model.{PATH}.lora_B.weight": [5, 3],
    }  # fmt: skip
    found = read_adapters(tmp_path)
    assert found.keys() == saved.keys()
    assert torch.equal(found[PATH].update, saved[PATH].update)


def test_adapters_are_merged_by_rows_into_what_is_written() -> None:
    layer = nn.Linear(4, 6)
    adapter = learned(6, 4)
    whole = layer.weight.detach() + adapter.b @ adapter.a * 2

    def rows(path: str, name: str, wanted: slice | None) -> Iterator[Tensor]:
        yield from (layer.weight if wanted is None else layer.weight[wanted]).detach().split(2)

    plan: Any = None
    model = Export(plan, plan, torch.float32, {"backbone": nn.ModuleDict({"layer": layer})}, rows)
    merged = with_adapters(model, {"backbone.layer": adapter})
    torch.testing.assert_close(torch.cat([*merged.rows("backbone", "layer.weight", None)]), whole)
    some = slice(1, 6)
    torch.testing.assert_close(torch.cat([*merged.rows("backbone", "layer.weight", some)]), whole[some])
    with pytest.raises(StorageError) as caught:
        with_adapters(model, {"backbone.layers": adapter, "backbone.layer": learned(4, 6)})
    assert [str(problem) for problem in caught.value.problems] == [
        "backbone.layers: the model has no layer for this adapter (did you mean 'backbone.layer'?)",
        "backbone.layer: the adapter needs a weight of shape [4, 6], got [6, 4]",
    ]


def test_what_is_no_plain_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"has no adapter_model.safetensors"):
        read_adapters(tmp_path)
    save_adapters({PATH: learned(5, 4)}, LORA, "", tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_rslora": True}))
    with pytest.raises(StorageError, match="'LORA', use_rslora"):
        read_adapters(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    save_file({f"base_model.model.{PATH}.lora_A.weight": torch.ones(3, 4)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(StorageError, match="do not fit each other"):
        read_adapters(tmp_path)


NAMES = {
    "official": "language_model.model.",
    "transformers": "model.language_model.",
    "the language model's own": "model.",
    "the base model's": "",
}


def written(folder: Path, layers: dict[str, tuple[int, int]], prefix: str) -> dict[str, Tensor]:
    """Adapters as peft writes them, for layers of these shapes; what each adds to its weight."""
    torch.manual_seed(0)
    tensors, added = {}, {}
    for layer, (rows, columns) in layers.items():
        a, b = torch.randn(2, columns), torch.randn(rows, 2)
        name = f"base_model.model.{prefix}{layer}"
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
        added[layer] = b @ a * 2
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4}))
    return added


@pytest.mark.parametrize("project", NAMES)
def test_adapters_with_the_names_of_other_projects_are_merged(official: Path, tmp_path: Path, project: str) -> None:
    layers = {
        "layers.0.self_attn.k_proj": (96, 96),
        "layers.1.self_attn.q_proj": (96, 96),
        "layers.2.mlp.up_proj": (256, 96),
        "layers.2.mlp.down_proj": (96, 256),
    }
    added = written(tmp_path / "adapters", layers, NAMES[project])
    convert(official, tmp_path / "new", "official", adapters=tmp_path / "adapters")
    before = torch.load(official / "pytorch_model.bin", weights_only=True)
    after = load_file(tmp_path / "new" / "model.safetensors")
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {f"language_model.model.{layer}.weight" for layer in layers}
    for layer, update in added.items():
        name = f"language_model.model.{layer}.weight"
        torch.testing.assert_close(after[name], before[name] + update)


def test_adapters_without_a_layer_are_all_named(official: Path, tmp_path: Path) -> None:
    layers = {"layers.0.self_attn.k_proj": (96, 96), "layers.9.self_attn.k_proj": (96, 96), "layers.1.mlp.x": (2, 2)}
    written(tmp_path / "adapters", layers, NAMES["official"])
    with pytest.raises(StorageError) as caught:
        convert(official, tmp_path / "new", "official", adapters=tmp_path / "adapters")
    assert {problem.path for problem in caught.value.problems} == {
        f"language_model.model.{layer}" for layer in list(layers)[1:]
    }
    assert "did you mean 'language_model.model.layers.2.self_attn.k_proj'" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.complex64, torch.float4_e2m1fn_x2])
def test_adapters_of_exotic_types_are_converted_or_named(tmp_path: Path, dtype: torch.dtype) -> None:
    save_adapters({PATH: learned(5, 4)}, LORA, "", tmp_path)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    small = {name: torch.ones(*tensor.shape, dtype=torch.uint8).view(dtype) if dtype.itemsize == 1 else tensor.to(dtype)
             for name, tensor in tensors.items()}  # fmt: skip
    save_file(small, tmp_path / "adapter_model.safetensors")
    if dtype == torch.float8_e4m3fn:
        assert read_adapters(tmp_path)[PATH].a.dtype == torch.float32
    else:
        with pytest.raises(StorageError, match=f"{PATH}.lora_[AB].weight has the data type"):
            read_adapters(tmp_path)
