"""Writing safetensors a few rows at a time, as one file or in shards; the tensors are never in memory together.

The format (github.com/huggingface/safetensors, "Format"): the length of the header in 8 bytes; the header as JSON, with
the type, shape and offsets of every tensor; the values. The files equal those that the library writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from attrs import frozen
from torch import Tensor

from ..errors import StorageError
from .atomic import Writer
from .json_files import json_writer

_NAMES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
}
"""Name of each data type in the format. Tensors of later types come first in a file, so that values stay aligned."""

_ALIGNED = 8


@frozen
class TensorEntry:
    """A tensor to write. ``rows`` yields its values in slices along the first dimension."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    rows: Callable[[], Iterator[Tensor]]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def write_tensors(path: Path, entries: Mapping[str, TensorEntry], metadata: Mapping[str, str]) -> None:
    """Write one file. Raises ``StorageError`` for a data type that the format does not have."""
    order = list(_NAMES)
    for name, entry in entries.items():
        if entry.dtype not in _NAMES:
            kind = str(entry.dtype).removeprefix("torch.")
            raise StorageError(f"{name} has the data type {kind}, which safetensors does not support")
    names = sorted(entries, key=lambda name: (-order.index(entries[name].dtype), name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        entry = entries[name]
        begin, end = end, end + entry.nbytes
        header[name] = {"dtype": _NAMES[entry.dtype], "shape": list(entry.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in names:
            written = 0
            for values in entries[name].rows():
                written += file.write(values.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            if written != entries[name].nbytes:
                raise StorageError(f"{name} has {written} bytes, expected {entries[name].nbytes}")


def writers(
    entries: Mapping[str, TensorEntry], metadata: Mapping[str, str], shard_size: int | None = None, stem: str = "model"
) -> dict[str, Writer]:
    """The writers of the files that hold the tensors, by name, for ``write_files``: one file, or shards and an index.

    ``shard_size``: largest size of a shard in bytes; None writes one file of any size. Files are named as transformers
    names them. A tensor that is larger than a shard has one of its own.
    """
    shards: list[dict[str, TensorEntry]] = [{}]
    size = 0
    for name, entry in entries.items():
        if shard_size is not None and shards[-1] and size + entry.nbytes > shard_size:
            shards.append({})
            size = 0
        shards[-1][name] = entry
        size += entry.nbytes
    if len(shards) == 1:
        return {f"{stem}.safetensors": partial(_write, shards[0], metadata)}
    files = {f"{stem}-{number:05d}-of-{len(shards):05d}.safetensors": shard for number, shard in enumerate(shards, 1)}
    made: dict[str, Writer] = {file: partial(_write, shard, metadata) for file, shard in files.items()}
    total = sum(entry.nbytes for entry in entries.values())
    where = {name: file for file, shard in files.items() for name in shard}
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
    made[f"{stem}.safetensors.index.json"] = json_writer(index)
    return made


def _write(entries: Mapping[str, TensorEntry], metadata: Mapping[str, str], path: Path) -> None:
    write_tensors(path, entries, metadata)
