"""Tensors as files describe them: shape, data type, and whether their values can be read."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from attrs import frozen
from torch import Tensor, nn

SAFETENSORS_TYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "I16": torch.int16,
    "U16": torch.uint16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
    "U64": torch.uint64,
}
"""Data types of safetensors that can be read, by their names in the format."""

READABLE = frozenset(SAFETENSORS_TYPES.values())

_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8, "C64": 64}
"""Bits of the other data types of safetensors."""


@frozen
class StoredTensor:
    """A tensor in a file, from the file's header.

    ``type_name``: the data type, as torch or the format calls it. ``fault``: why its values cannot be read; empty where
    they can. Without values, ``dtype`` means nothing.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    file: Path
    fault: str = ""
    type_name: str = ""
    nbytes: int = 0

    @classmethod
    def of(cls, tensor: Tensor, file: Path) -> StoredTensor:
        """The description of a tensor of a pickle, which may be of any kind that torch has."""
        name = type_name(tensor.dtype)
        fault = fault_of(tensor)
        shape = () if tensor.is_nested else tuple(tensor.shape)
        return cls(shape, tensor.dtype, file, fault, name, math.prod(shape) * tensor.dtype.itemsize)

    @classmethod
    def named(cls, shape: tuple[int, ...], name: str, file: Path) -> StoredTensor:
        """The description of a tensor of a safetensors file, whose data type is called ``name`` there."""
        dtype = SAFETENSORS_TYPES.get(name)
        if dtype is not None:
            return cls(shape, dtype, file, "", type_name(dtype), math.prod(shape) * dtype.itemsize)
        size = math.prod(shape) * _BITS.get(name, 8) // 8
        return cls(shape, torch.uint8, file, _unreadable_type(name), name, size)


def type_name(dtype: torch.dtype) -> str:
    """The name of a data type: ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def fault_of(tensor: Tensor) -> str:
    """Why the values of a tensor cannot be read; empty where they can."""
    if type(tensor) not in (Tensor, nn.Parameter):
        return f"is a {type(tensor).__name__}, and only plain tensors are read"
    if tensor.is_nested:
        return "is a nested tensor, and only dense ones are read"
    if tensor.layout != torch.strided:
        return f"is a sparse tensor ({str(tensor.layout).removeprefix('torch.')}), and only dense ones are read"
    if tensor.is_meta:
        return "is a meta tensor: the file has its shape, but no values"
    return "" if tensor.dtype in READABLE else _unreadable_type(type_name(tensor.dtype))


def _unreadable_type(name: str) -> str:
    return f"has the data type {name}, which is not read: floating-point types are float8_e4m3 to float64"
