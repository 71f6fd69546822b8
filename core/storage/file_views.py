"""Tensors of a safetensors file as private mappings, each of which ends with its tensor.

A mapping of the whole file would last as long as any tensor, and all pages that were read by then would count as memory
of the process. Python's ``mmap`` keeps a descriptor of the file for each mapping, and a process may have few of them.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_FAILED = ctypes.c_void_p(-1).value


class FileViews:
    """The tensors of a file whose header the library has checked, as views of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path.stat())
        self._offsets: dict[str, tuple[int, int]] = {}

    def view(self, name: str, dtype: torch.dtype, shape: Sequence[int]) -> Tensor | None:
        """A tensor in a mapping of its own.

        None where the system has no such mappings, or another file has taken the place of this one. Raises ``OSError``.
        """
        if _functions() is None:
            return None
        file = os.open(self._path, os.O_RDONLY)
        try:
            if _identity(os.fstat(file)) != self._identity:
                return None
            self._offsets = self._offsets or _offsets(file)
            begin, end = self._offsets[name]
            skipped = begin % mmap.ALLOCATIONGRANULARITY
            mapping = _mapping(file, begin - skipped, skipped + end - begin)
        finally:
            os.close(file)
        if mapping is None:
            return None
        count = (end - begin) // dtype.itemsize
        return torch.frombuffer(mapping, dtype=dtype, count=count, offset=skipped).view(tuple(shape))


def _offsets(file: int) -> dict[str, tuple[int, int]]:
    """Where the values of each tensor begin and end in the file."""
    size = int.from_bytes(os.pread(file, 8, 0), "little")
    header = json.loads(os.pread(file, size, 8))
    header.pop("__metadata__", None)
    ends = {name: entry["data_offsets"] for name, entry in header.items()}
    return {name: (8 + size + begin, 8 + size + end) for name, (begin, end) in ends.items()}


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _mapping(file: int, begin: int, size: int) -> Any:
    """Bytes of a file as a buffer that can be written to without effect on the file; None where that fails."""
    functions = _functions()
    if functions is None:
        return None
    map_, unmap = functions
    address = map_(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, file, begin)
    if address in (None, _FAILED):
        return None
    buffer = (ctypes.c_char * size).from_address(address)
    weakref.finalize(buffer, unmap, address, size).atexit = False  # tensors may still be in use then
    return buffer


@cache
def _functions() -> tuple[Callable[..., int | None], Callable[..., int]] | None:
    """The system's ``mmap`` and ``munmap``; None where they are not those of a 64-bit Unix."""
    if os.name != "posix" or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    library = ctypes.CDLL(None)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    )  # fmt: skip
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library.mmap, library.munmap
