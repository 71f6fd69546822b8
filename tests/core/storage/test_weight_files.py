"""Files of weights: found, mapped in parts, and refused with a sentence where they are not what they should be."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import StorageError, WeightFiles, weight_files
from janiform.storage import weight_files as module
from safetensors.torch import save_file

TENSORS = {"a": torch.arange(12.0).view(6, 2), "b.c": torch.tensor(3.0), "d": torch.ones(0, 4), "e": torch.arange(5)}


def sharded(folder: Path, suffix: str = ".safetensors", **changes: str) -> Path:
    """Two shards with an index; ``changes``: names of tensors to the files that the index names for them."""
    shards = [{"a": TENSORS["a"]}, {name: tensor for name, tensor in TENSORS.items() if name != "a"}]
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    where = {}
    for index, tensors in enumerate(shards, start=1):
        name = f"{stem}-0000{index}-of-00002{suffix}"
        (save_file if suffix == ".safetensors" else torch.save)(tensors, folder / name)
        where |= dict.fromkeys(tensors, name)
    index_file = folder / f"{stem}{suffix}.index.json"
    index_file.write_text(json.dumps({"metadata": {}, "weight_map": where | changes}))
    return folder


def values(files: WeightFiles) -> dict[str, torch.Tensor]:
    found = {}
    for name, stored in files.tensors.items():
        parts = [part.clone() for _, part in files.rows(name)]
        found[name] = torch.cat(parts) if stored.shape and parts else parts[0] if parts else torch.empty(stored.shape)
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("chunk", [1, 8, 1 << 20])
@pytest.mark.parametrize("form", ["safetensors", "bin", "shards", "bin shards"])
def test_every_form_gives_the_same(tmp_path: Path, monkeypatch: Any, form: str, chunk: int) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)
    monkeypatch.setattr(module, "_LEAST_MAPPED", chunk)
    if form == "safetensors":
        save_file(TENSORS, tmp_path / "model.safetensors")
    elif form == "bin":
        torch.save(TENSORS, tmp_path / "pytorch_model.bin")
    else:
        sharded(tmp_path, ".bin" if form.startswith("bin") else ".safetensors")
    files = weight_files(tmp_path)
    assert same(values(files), TENSORS)
    assert files.same("a", "a")
    assert not files.same("a", "e")


def test_safetensors_go_before_pickles(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    save_file({"y": torch.ones(1)}, tmp_path / "model.safetensors")
    assert set(weight_files(tmp_path).tensors) == {"y"}


class Code:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/janiform-was-here",)


def refused(folder: Path) -> str:
    with pytest.raises(StorageError) as caught:
        weight_files(folder)
    return str(caught.value)


def test_code_is_refused_by_its_name(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1), "b": Code()}, tmp_path / "pytorch_model.bin")
    said = refused(tmp_path)
    assert "pytorch_model.bin: is refused: it contains" in said
    assert "system" in said
    assert not Path("/tmp/janiform-was-here").exists()


@pytest.mark.parametrize("kept", [0, 9, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_truncated_files_are_told(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / ("model.safetensors" if suffix == ".safetensors" else "pytorch_model.bin")
    (save_file if suffix == ".safetensors" else torch.save)(TENSORS, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) if kept < 1 else int(kept)])
    assert f"{path}: is damaged, truncated or no" in refused(tmp_path)


def test_what_is_no_weights_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "is damaged, truncated or not a file of weights" in refused(tmp_path)
    torch.save([torch.ones(1)], path)
    assert "must hold tensors by name, got list" in refused(tmp_path)
    torch.save({"a": {"b": torch.ones(1)}}, path)
    assert "'a' must be a tensor, got dict" in refused(tmp_path)
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    assert "older than PyTorch 1.6" in refused(tmp_path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x", "y")
    assert "is damaged, truncated or not a file of weights" in refused(tmp_path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n")
    assert "a pointer of Git LFS" in refused(tmp_path)
    path.unlink()
    assert "has no weights: neither model.safetensors nor" in refused(tmp_path)


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "", "x.txt", "a:b.bin"]
)
def test_an_index_names_files_beside_it_only(tmp_path: Path, name: str) -> None:
    assert f"lists '{name}', which is not a valid file name of a shard" in refused(sharded(tmp_path, a=name))


def test_damaged_indices_are_told(tmp_path: Path) -> None:
    sharded(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    text = index.read_text()
    (tmp_path / "model-00002-of-00002.safetensors").rename(tmp_path / "kept")
    assert "lists the shard model-00002-of-00002.safetensors with 3 tensors, but the file is missing" in refused(
        tmp_path
    )
    (tmp_path / "kept").rename(tmp_path / "model-00002-of-00002.safetensors")
    index.write_text(text.replace('"a": "model-00001', '"a": "model-00002'))
    assert "lists a in model-00002-of-00002.safetensors, which does not have it" in refused(sharded_away(index, text))
    for broken, said in (("{", "not JSON"), ("[]", "expected a JSON object"), ("{}", "needs a 'weight_map'"),
                         ('{"weight_map": {"a": 1}}', "needs a 'weight_map'")):  # fmt: skip
        index.write_text(broken)
        assert said in refused(tmp_path)


def sharded_away(index: Path, text: str) -> Path:
    """The index says that ``a`` is in the second shard."""
    said = json.loads(text)
    said["weight_map"]["a"] = "model-00002-of-00002.safetensors"
    said["weight_map"]["x"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(said))
    return index.parent


def test_an_index_of_very_many_names_is_refused_with_the_bound(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {f"t{i}": f"m{i}.safetensors" for i in range(300_000)}}))
    assert "lists 300000 tensors, and the limit is 100000" in refused(tmp_path)
    index.write_text(json.dumps({"weight_map": {f"t{i}": f"m{i}.safetensors" for i in range(20_000)}}))
    assert "lists 20000 files, and the limit is 10000" in refused(tmp_path)
    index.write_text(json.dumps({"weight_map": {f"t{i}": f"m{i}.safetensors" for i in range(9_000)}}))
    lines = refused(tmp_path).splitlines()
    assert len(lines) == 21
    assert lines[-1] == f"{index}: has 8980 more such faults"
    save_file({"a": torch.ones(1)}, tmp_path / "m.safetensors")
    index.write_text(json.dumps({"weight_map": dict.fromkeys([f"t{i}x" for i in range(90_000)], "m.safetensors")}))
    assert refused(tmp_path).endswith("t99x and 89900 more in m.safetensors, which does not have it")


def test_a_header_of_very_many_names_is_refused_with_the_bound(tmp_path: Path, monkeypatch: Any) -> None:
    save_file({f"t{i}": torch.ones(1) for i in range(50)}, tmp_path / "model.safetensors")
    torch.save({f"t{i}": torch.ones(1) for i in range(50)}, tmp_path / "pytorch_model.bin")
    monkeypatch.setattr(module, "MOST_TENSORS", 49)
    assert "model.safetensors: has 50 tensors, and the limit is 49" in refused(tmp_path)
    monkeypatch.setattr(module, "MOST_HEADER", 99)
    assert "bytes, and the limit is 99" in refused(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "pytorch_model.bin: has 50 tensors, and the limit is 49" in refused(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"])
def test_a_link_to_nothing_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "blobs" / "0123")
    said = refused(tmp_path)
    assert f"{tmp_path / name}: is a link to {tmp_path / 'blobs' / '0123'}, which does not exist" in said
    assert "the download may be incomplete" in said


def test_a_shard_that_is_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    shard = sharded(tmp_path) / "model-00002-of-00002.safetensors"
    shard.unlink()
    shard.symlink_to("../../blobs/0123")
    assert "with 3 tensors, but the file is a link to ../../blobs/0123, which does not exist" in refused(tmp_path)


@pytest.mark.parametrize("form", ["{}", "module.{}", "_orig_mod.{}", "module._orig_mod.{}", "module.module.{}"])
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_prefixes_of_wrappers_are_left_out(tmp_path: Path, monkeypatch: Any, form: str, suffix: str) -> None:
    monkeypatch.setitem(globals(), "TENSORS", wrapped := {form.format(name): TENSORS[name] for name in TENSORS})
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    (save_file if suffix == ".safetensors" else torch.save)(wrapped, tmp_path / f"{stem}{suffix}")
    assert values(weight_files(tmp_path)).keys() == {"a", "b.c", "d", "e"}
    shards = {form.format("a"): f"{stem}-1{suffix}"}
    (tmp_path / f"{stem}{suffix}").rename(tmp_path / f"{stem}-1{suffix}")
    (tmp_path / f"{stem}{suffix}.index.json").write_text(json.dumps({"weight_map": shards}))
    assert torch.equal(values(weight_files(tmp_path))["a"], wrapped[form.format("a")])


def test_prefixes_within_names_are_left_out_and_clashes_are_named(tmp_path: Path) -> None:
    save_file({"layers.0._orig_mod.w": torch.ones(1), "module.x": torch.ones(1)}, tmp_path / "model.safetensors")
    assert set(weight_files(tmp_path).tensors) == {"layers.0.w", "module.x"}
    save_file({"a._orig_mod.w": torch.ones(1), "a.w": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert "model.safetensors: has a" in refused(tmp_path)
    assert "under two names" in refused(tmp_path)
