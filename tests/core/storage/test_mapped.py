"""Weights that stay in their files are those in the files, and a model never writes to its files."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from janiform import KeyMap, StorageError, UnifiedModel, WeightFiles, open_model
from janiform.storage import mapped
from janiform.storage.mapped import MappedWeights
from janiform.storage.piecewise import PiecewiseLinear
from janiform.storage.save import save_model
from mapped_weights import map_small_weights
from safetensors.torch import load_file, save_file
from torch import nn

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny_model: UnifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    map_small_weights(monkeypatch)
    return save_model(tiny_model, tmp_path / "model")


def files_of(tmp_path: Path, tensors: dict[str, torch.Tensor], name: str = "x.safetensors") -> WeightFiles:
    (save_file if name.endswith("safetensors") else torch.save)(tensors, tmp_path / name)
    return WeightFiles([tmp_path / name])


def views(module: nn.Module, files: WeightFiles) -> dict[str, tuple[torch.Tensor, ...]]:
    names = KeyMap({"{rest}": "{rest}"})
    placed = {name: names.pieces(name, tensor.shape) or () for name, tensor in module.state_dict().items()}
    return dict(MappedWeights(files).views("part", module, placed))


def test_large_weights_stay_in_the_file(folder: Path) -> None:
    model = open_model(folder, mapped=True)
    stored = load_file(folder / WEIGHTS)
    assert set(model.unchecked) >= {"backbone", "understanding.encoder", "generation.tokenizer"}
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in stored.items())
    assert not open_model(folder).unchecked


def test_small_models_do_not_need_their_file(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    assert not open_model(save_model(tiny_model, tmp_path / "model"), mapped=True).unchecked


def test_edits_do_not_reach_the_file(folder: Path) -> None:
    before = (folder / WEIGHTS).read_bytes()
    model = open_model(folder, mapped=True).requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert (folder / WEIGHTS).read_bytes() == before
    again = open_model(folder, mapped=True).state_dict()
    assert torch.allclose(model.state_dict()["backbone.norm.weight"], again["backbone.norm.weight"] - 1)


def test_a_model_may_be_saved_over_its_own_file(folder: Path) -> None:
    stored = load_file(folder / WEIGHTS)
    model = open_model(folder, mapped=True)
    with torch.no_grad():
        model.part("backbone").norm.weight.add_(1)
    save_model(model, folder)
    written = load_file(folder / WEIGHTS)
    changed = {name for name in stored if not torch.equal(stored[name], written[name])}
    assert changed == {"backbone.norm.weight"}
    assert all(torch.equal(written[name], tensor) for name, tensor in model.state_dict().items() if name in written)


def test_a_file_that_is_replaced_is_still_read(folder: Path) -> None:
    stored = load_file(folder / WEIGHTS)
    model = open_model(folder, mapped=True)
    (folder / "other").write_bytes(b"")
    (folder / "other").replace(folder / WEIGHTS)
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in stored.items())


def test_a_truncated_file_is_refused(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / "model.json").unlink()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(StorageError, match=r"model\.safetensors.*is damaged, truncated or not a safetensors file"):
        open_model(folder, mapped=True)


def test_invalid_values_are_reported_when_their_part_is_used(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["backbone.norm.weight"][0] = torch.nan
    save_file(tensors, folder / WEIGHTS)
    (folder / "model.json").unlink()
    model = open_model(folder, mapped=True)
    model.part("understanding.encoder")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"backbone: backbone\.norm\.weight: contains NaN or infinite values"):
            model.part("backbone")


def test_only_tensors_that_are_as_the_parts_own_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    map_small_weights(monkeypatch)
    layers = {
        "same": nn.Linear(4, 3, bias=False),
        "other_type": nn.Linear(4, 3, bias=False),
        "channels_last": nn.Conv2d(4, 3, 2, bias=False).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
    }
    module = nn.ModuleDict(layers)
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    tensors["other_type.weight"] = tensors["other_type.weight"].half()
    assert set(views(module, files_of(tmp_path, tensors))) == {"same.weight"}


def test_a_tensor_of_a_pickle_that_others_share_stays_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    map_small_weights(monkeypatch)
    module = nn.ModuleDict({name: nn.Linear(4, 3, bias=False) for name in ("first", "second", "turned")})
    tensors = module.state_dict()
    tensors["second.weight"] = tensors["first.weight"]
    tensors["turned.weight"] = torch.zeros(4, 3).t()
    assert set(views(module, files_of(tmp_path, tensors, "x.bin"))) == {"first.weight"}


def test_tensors_that_begin_elsewhere_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in float32 are rounded in another order where a weight begins within 64 bytes."""
    monkeypatch.setattr(mapped, "SMALLEST_FILES", 0)
    monkeypatch.setattr(mapped, "SMALLEST", 1)
    module = nn.ModuleDict({str(index): nn.Linear(2, 1, bias=False) for index in range(16)})
    found = views(module, files_of(tmp_path, module.state_dict()))
    assert len(found) == 2
    assert all(view.data_ptr() % 64 == 0 for (view,) in found.values())


def mappings(file: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(file))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="mappings are listed elsewhere")
def test_a_mapping_ends_with_its_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    map_small_weights(monkeypatch)
    module = nn.ModuleDict({str(index): nn.Linear(64, 64, bias=False) for index in range(8)})
    files = files_of(tmp_path, module.state_dict())
    descriptors, before = len(list(Path("/proc/self/fd").iterdir())), mappings(files.files[0])
    found = views(module, files)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert mappings(files.files[0]) == before + 8
    kept = PiecewiseLinear(nn.Linear(64, 128), [found.pop("0.weight")[0], found.pop("1.weight")[0]])
    assert torch.equal(kept.weight, torch.cat([module["0"].weight, module["1"].weight]))
    assert mappings(files.files[0]) == before + 6
    found.clear()
    assert mappings(files.files[0]) == before


def test_a_file_that_was_replaced_while_it_is_opened_is_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_small_weights(monkeypatch)
    module = nn.Linear(64, 64)
    files = files_of(tmp_path, module.state_dict())
    save_file({name: tensor + 1 for name, tensor in module.state_dict().items()}, tmp_path / "other")
    (tmp_path / "other").replace(files.files[0])
    assert all(torch.equal(view, module.state_dict()[name]) for name, (view,) in views(module, files).items())


def test_formats_that_give_other_values_keep_no_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    map_small_weights(monkeypatch)

    class Doubled(WeightFiles):
        def rows(self, name):  # type: ignore[no-untyped-def]
            for rows, values in super().rows(name):
                yield rows, 2 * values

    module = nn.Linear(4, 3)
    files = files_of(tmp_path, module.state_dict())
    assert set(views(module, files)) == {"weight", "bias"}
    assert not views(module, Doubled(files.files))


def test_pieces_are_joined_once() -> None:
    layer = nn.Linear(8, 12)
    weight = layer.weight.detach().clone()
    pieces = PiecewiseLinear(layer, weight.split([6, 4, 2]))
    x = torch.randn(3, 8)
    assert torch.equal(pieces(x), layer(x))
    assert len(pieces.pieces) == 1
    assert pieces.weight is pieces.weight


@pytest.mark.parametrize("joined", [False, True])
def test_pieces_are_saved_loaded_copied_and_converted_as_one(joined: bool) -> None:
    layer = nn.Linear(8, 12)
    parts = [piece.clone() for piece in layer.weight.detach().split([6, 4, 2])]
    pieces = PiecewiseLinear(layer, parts)
    if joined:
        pieces(torch.zeros(1, 8))
    state = {name: tensor.clone() for name, tensor in pieces.state_dict().items()}
    assert state.keys() == layer.state_dict().keys()
    copied = copy.deepcopy(PiecewiseLinear(layer, parts))
    copied.load_state_dict({name: 2 * tensor for name, tensor in state.items()})
    assert torch.equal(copied.weight, 2 * layer.weight)
    assert torch.equal(pieces.weight, layer.weight)
    assert PiecewiseLinear(layer, parts).double().weight.dtype == torch.float64
    with pytest.raises(RuntimeError, match=r"weight must have the shape \[12, 8\], got \[8, 12\]"):
        copied.load_state_dict({"weight": torch.zeros(8, 12), "bias": torch.zeros(12)})
    with pytest.raises(RuntimeError, match=r"Missing key.*weight"):
        copied.load_state_dict({"bias": torch.zeros(12)})
