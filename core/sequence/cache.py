"""Keys and values of decoding, in memory that is allocated once."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import JaniformError


class KVCache:
    """Keys and values [layers, rows, kv_heads, length, head_width] each, with the first ``filled`` positions set.

    One forward appends its keys and values in every layer and then advances once:

        keys, values = cache.append(layer, k, v)    # for each layer
        cache.advance(T)                            # after the last one
    """

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

    def rewind(self, filled: int) -> None:
        """Forget all but the first ``filled`` positions. Raises ``JaniformError`` where fewer are filled."""
        if not 0 <= filled <= self.filled:
            raise JaniformError(f"the KV cache has {self.filled} positions filled and cannot keep {filled} of them")
        self.filled = filled

    def reset(self) -> None:
        """Empty the cache and keep its memory."""
        self.filled = 0
