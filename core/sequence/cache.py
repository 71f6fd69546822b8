"""What backbones keep of the positions that they have read: keys and values, or states of their own.

A backbone with a cache of its own has a method ``new_cache``; see ``janiform.contracts.Backbone``.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ..errors import JaniformError


class Cache(Protocol):
    """What a backbone has kept of ``filled`` positions of each of ``rows``, whose number may grow to ``length``.

    ``rewinds``: whether it can forget the last positions; a recurrent state cannot, and keeps all or nothing.
    """

    rewinds: bool

    @property
    def filled(self) -> int:
        """The number of positions that it holds."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def length(self) -> int:
        """The number of positions that fit."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""

    def take(self, rows: Tensor | None, length: int, filled: int | None = None) -> Cache:
        """A copy of some rows, or of all in their order, with space for ``length`` positions.

        Args:
            rows: int64, the rows to copy; one may occur several times.
            filled: how many of the positions to keep; all by default.

        Raises ``JaniformError`` where a cache that cannot rewind should keep fewer than all.
        """

    def rewind(self, filled: int) -> None:
        """Forget all but the first ``filled`` positions. Raises ``JaniformError`` where it cannot."""


class KVCache:
    """Keys and values [layers, rows, kv_heads, length, head_width] each, with the first ``filled`` positions set.

    One forward appends its keys and values in every layer and then advances once:

        keys, values = cache.append(layer, k, v)    # for each layer
        cache.advance(T)                            # after the last one
    """

    rewinds = True

    def __init__(
        self,
        layers: int,
        rows: int,
        kv_heads: int,
        length: int,
        head_width: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (layers, rows, kv_heads, length, head_width)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.filled = 0

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.keys.shape[1]

    @property
    def length(self) -> int:
        """The number of positions that fit."""
        return self.keys.shape[3]

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values."""
        return self.keys.nbytes + self.values.nbytes

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values [rows, kv_heads, T, head_width] after the filled ones; returns views of all so far.

        Raises ``JaniformError`` where T more positions or these rows do not fit.
        """
        rows, _, new, _ = keys.shape
        _, allocated, _, length, _ = self.keys.shape
        end = self.filled + new
        if rows != allocated:
            raise JaniformError(f"the KV cache was allocated for {allocated} rows; got {rows}")
        if end > length:
            raise JaniformError(
                f"the KV cache holds {length} positions, of which {self.filled} are filled, and {new} more do not fit: "
                "shorten the prompt, generate fewer tokens, or allocate a longer cache"
            )
        self.keys[layer, :, :, self.filled : end] = keys
        self.values[layer, :, :, self.filled : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, new: int) -> None:
        """Count the ``new`` positions that every layer has appended."""
        self.filled += new

    def take(self, rows: Tensor | None, length: int, filled: int | None = None) -> KVCache:
        """A copy of some rows, or of all, with space for ``length`` positions; see ``Cache``."""
        filled = self.filled if filled is None else filled
        layers, all_rows, heads, _, width = self.keys.shape
        count = all_rows if rows is None else len(rows)
        copy = KVCache(layers, count, heads, length, width, self.keys.dtype, self.keys.device)
        for layer in range(layers):
            keys, values = self.keys[layer, :, :, :filled], self.values[layer, :, :, :filled]
            copy.append(layer, *((keys, values) if rows is None else (keys[rows], values[rows])))
        copy.advance(filled)
        return copy

    def part(self, rows: slice) -> KVCache:
        """A view of consecutive rows, which shares their memory and counts its filled positions by itself."""
        view = KVCache.__new__(KVCache)
        view.keys, view.values, view.filled = self.keys[:, rows], self.values[:, rows], self.filled
        return view

    def rewind(self, filled: int) -> None:
        """Forget all but the first ``filled`` positions. Raises ``JaniformError`` where fewer are filled."""
        if not 0 <= filled <= self.filled:
            raise JaniformError(f"the KV cache has {self.filled} positions filled and cannot keep {filled} of them")
        self.filled = filled

    def reset(self) -> None:
        """Empty the cache and keep its memory."""
        self.filled = 0
