"""Files of tensors that are written row by row are those that the safetensors library writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import StorageError, weight_files
from janiform.errors import UsageError
from janiform.storage.tensor_files import TensorEntry, write_tensors, writers
from janiform.units import bytes_in
from safetensors.torch import save_file

TYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int8, torch.uint8, torch.bool]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
TENSORS = st.dictionaries(
    NAMES.filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(TYPES), st.lists(st.integers(0, 5), max_size=3)),
    min_size=1,
    max_size=6,
)


def made(wanted: dict[str, tuple[torch.dtype, list[int]]]) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: (torch.randn(shape) * 9).to(dtype) for name, (dtype, shape) in wanted.items()}


def entry(tensor: torch.Tensor, step: int = 2) -> TensorEntry:
    return TensorEntry(
        tuple(tensor.shape), tensor.dtype, lambda: iter(tensor.split(step) if tensor.dim() else [tensor])
    )


@given(TENSORS, st.integers(1, 4))
@settings(max_examples=30)
def test_every_byte_is_the_librarys(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, tuple[torch.dtype, list[int]]], step: int
) -> None:
    folder, tensors = tmp_path_factory.mktemp("files"), made(wanted)
    write_tensors(folder / "ours", {name: entry(tensor, step) for name, tensor in tensors.items()}, {"format": "pt"})
    save_file(tensors, folder / "theirs", metadata={"format": "pt"})
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


@given(TENSORS, st.integers(1, 300))
@settings(max_examples=30)
def test_shards_are_as_large_as_may_be_and_hold_everything(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, tuple[torch.dtype, list[int]]], size: int
) -> None:
    folder, tensors = tmp_path_factory.mktemp("shards"), made(wanted)
    files = writers({name: entry(tensor) for name, tensor in tensors.items()}, {"format": "pt"}, size)
    for name, write in files.items():
        write(folder / name)
    found = weight_files(folder)
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        rows = [part.clone() for _, part in found.rows(name)]
        assert torch.equal(torch.cat(rows) if tensor.dim() else rows[0], tensor) if rows else tensor.numel() == 0
    held = {file: [stored for stored in found.tensors.values() if stored.file == file] for file in found.files}
    assert all(len(some) == 1 or sum(stored.nbytes for stored in some) <= size for some in held.values())
    if len(held) > 1:
        said = json.loads((folder / "model.safetensors.index.json").read_text())
        assert said["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors.values())
        assert {path.name for path in held} == {
            f"model-{n:05d}-of-{len(held):05d}.safetensors" for n in range(1, len(held) + 1)
        }
    else:
        assert list(files) == ["model.safetensors"]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    complex_one = torch.zeros(2, dtype=torch.complex64)
    with pytest.raises(StorageError, match="x has the data type complex64, which safetensors does not support"):
        write_tensors(tmp_path / "x", {"x": entry(complex_one)}, {})
    short = TensorEntry((3,), torch.float32, lambda: iter([torch.zeros(2)]))
    with pytest.raises(StorageError, match="x has 8 bytes, expected 12"):
        write_tensors(tmp_path / "x", {"x": short}, {})


@pytest.mark.parametrize(
    ("text", "number"), [("5GB", 5 * 10**9), ("800 MB", 8 * 10**8), ("2GiB", 2 << 30), ("1.5k", 1500), (" 12 ", 12)]
)
def test_sizes_are_read(text: str, number: int) -> None:
    assert bytes_in(text) == number


@pytest.mark.parametrize("text", ["", "GB", "5 apples", "-5GB", "0", "0.0001kB", "5GBB", "nan", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a valid size"):
        bytes_in(text)
