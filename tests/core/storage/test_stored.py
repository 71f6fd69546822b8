"""Every data type and kind of tensor that files may have is read, or refused by its name."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from janiform import StorageError, open_model, weight_files
from janiform.storage.contents import left_out
from janiform.storage.convert import convert
from safetensors.torch import save_file

NAME = "aligner.layers.0.bias"
PATH = "understanding.adapter"

KINDS = {
    "sparse_coo": lambda tensor: tensor.to_sparse(),
    "sparse_csr": lambda tensor: tensor[None].to_sparse_csr(),
    "sparse_bsr": lambda tensor: tensor[None].to_sparse_bsr((1, 1)),
    "meta tensor": lambda tensor: tensor.to("meta"),
    "qint8": lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
    "complex64": lambda tensor: tensor.to(torch.complex64),
    "float4_e2m1fn_x2": lambda tensor: tensor.to(torch.uint8).view(torch.float4_e2m1fn_x2),
    "float8_e8m0fnu": lambda tensor: tensor.to(torch.float8_e8m0fnu),
    "int32": lambda tensor: tensor.int(),
    "bool": lambda tensor: tensor.bool(),
    "uint16": lambda tensor: tensor.to(torch.uint16),
    "bits8": lambda tensor: torch.empty(96, dtype=torch.bits8),
}
READ = (torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz)


@pytest.fixture
def folder(official: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(official, copy, ignore=shutil.ignore_patterns("*.bin", "*.safetensors", "*.png"))
    return copy


@pytest.fixture(scope="module")
def state(official: Path) -> dict[str, torch.Tensor]:
    return torch.load(official / "pytorch_model.bin", weights_only=True)


def raw(path: Path, tensors: dict[str, tuple[str, int, list[int]]]) -> None:
    """A safetensors file of zeros: type, bits and shape by name."""
    header: dict[str, object] = {}
    end = 0
    for name, (dtype, bits, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * bits // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_is_refused_by_name(folder: Path, state: dict[str, torch.Tensor], kind: str) -> None:
    torch.save(state | {NAME: KINDS[kind](state[NAME].abs())}, folder / "pytorch_model.bin")
    with pytest.raises(StorageError) as caught:
        open_model(folder)
    (problem,) = caught.value.problems
    assert problem.path == PATH
    assert problem.message.startswith(f"{NAME}: ")
    assert kind in problem.message
    with pytest.raises(StorageError, match=NAME):
        convert(folder, folder.parent / "new", "janiform")


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("F8_E8M0", 8), ("C64", 64), ("U16", 16), ("I64", 64), ("BOOL", 8)],
)
def test_every_type_of_safetensors_has_a_name_and_a_size(tmp_path: Path, kind: str, bits: int) -> None:
    raw(tmp_path / "model.safetensors", {"a": (kind, bits, [8, 4])})
    stored = weight_files(tmp_path).tensors["a"]
    assert (stored.shape, stored.nbytes) == ((8, 4), 4 * bits)
    if stored.fault:
        assert f"has the data type {kind}" in stored.fault
        with pytest.raises(StorageError, match=f"a has the data type {kind}, which is not read"):
            next(weight_files(tmp_path).rows("a"))


@pytest.mark.parametrize("dtype", READ, ids=str)
def test_floating_point_types_are_read_and_converted(
    folder: Path, state: dict[str, torch.Tensor], dtype: torch.dtype
) -> None:
    table = "language_model.model.embed_tokens.weight"
    save_file(state | {NAME: state[NAME].to(dtype), table: state[table].to(dtype)}, folder / "model.safetensors")
    backbone = open_model(folder, parts=("backbone",)).backbone
    assert torch.equal(backbone.embed_tokens.weight, state[table].to(dtype).float())
    convert(folder, folder.parent / "new", "janiform")
    assert torch.equal(
        open_model(folder.parent / "new", parts=("backbone",)).backbone.embed_tokens.weight,
        backbone.embed_tokens.weight,
    )


def test_weights_of_eight_bits_throughout_are_converted(folder: Path, state: dict[str, torch.Tensor]) -> None:
    small = {name: tensor.to(torch.float8_e4m3fn) if tensor.is_floating_point() else tensor
             for name, tensor in state.items()}  # fmt: skip
    save_file(small, folder / "model.safetensors")
    convert(folder, folder.parent / "new", "official")
    (file,) = (folder.parent / "new").glob("*.safetensors")
    files = weight_files(file.parent)
    assert {stored.type_name for stored in files.tensors.values() if stored.dtype.is_floating_point} == {"bfloat16"}
    values = torch.cat([part for _, part in files.rows(NAME)])
    assert torch.equal(values.float(), small[NAME].float())


def test_what_is_left_out_may_be_of_any_type(folder: Path, state: dict[str, torch.Tensor]) -> None:
    unused = "language_model.model.layers.0.self_attn.rotary_emb.inv_freq"
    torch.save(state | {unused: torch.ones(4).to_sparse()}, folder / "pytorch_model.bin")
    open_model(folder)
    assert unused in left_out(folder)


def test_a_quantized_directory_is_refused_by_its_config(folder: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, folder / "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(StorageError, match="quantization_config: the weights are quantized by fp8, which janiform"):
        open_model(folder)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_repeated_head_of_eight_bits_is_compared(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file({"a": torch.ones(4, 4).to(dtype), "b": torch.ones(4, 4).to(dtype)}, tmp_path / "model.safetensors")
    assert weight_files(tmp_path).same("a", "b")
