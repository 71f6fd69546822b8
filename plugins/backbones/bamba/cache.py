"""What Bamba keeps of the positions that it has read: keys and values, and states whose size does not grow."""

from __future__ import annotations

import torch
from janiform import JaniformError, KVCache
from torch import Tensor

from .config import BambaConfig


class BambaCache:
    """Keys and values of the attention layers, and for each recurrent layer and row two states in float32.

    ``states`` [layers, rows, heads, head width, state width]; ``inputs`` [layers, rows, conv - 1, channels], the last
    inputs of the convolution. Both are those of the document that a row ends with. See ``janiform.Cache``.
    """

    rewinds = False

    def __init__(
        self, config: BambaConfig, rows: int, length: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        shape, recurrent = config.hidden(), config.layers - len(config.attention)
        self.config = config
        self.attention = KVCache(len(config.attention), rows, shape.kv_heads, length, shape.head_width, dtype, device)
        head_width = config.mamba_width // config.mamba_heads
        # Float64 models keep float64 states.
        kind = torch.promote_types(dtype, torch.float32)
        self.states = torch.zeros(
            recurrent, rows, config.mamba_heads, head_width, config.state, dtype=kind, device=device
        )
        self.inputs = torch.zeros(recurrent, rows, config.conv - 1, config.conv_width, dtype=kind, device=device)

    @property
    def filled(self) -> int:
        return self.attention.filled

    @property
    def rows(self) -> int:
        return self.attention.rows

    @property
    def length(self) -> int:
        return self.attention.length

    @property
    def nbytes(self) -> int:
        return self.attention.nbytes + self.states.nbytes + self.inputs.nbytes

    def take(self, rows: Tensor | None, length: int, filled: int | None = None) -> BambaCache:
        self._check(self.filled if filled is None else filled)
        count = self.rows if rows is None else len(rows)
        keys = self.attention.keys
        copy = BambaCache(self.config, count, length, keys.dtype, keys.device)
        copy.attention = self.attention.take(rows, length)
        copy.states = self.states.clone() if rows is None else self.states[:, rows]
        copy.inputs = self.inputs.clone() if rows is None else self.inputs[:, rows]
        return copy

    def rewind(self, filled: int) -> None:
        self._check(filled)

    def _check(self, filled: int) -> None:
        if filled != self.filled:
            raise JaniformError(
                f"recurrent states of {self.filled} positions cannot be those of the first {filled}: read them again"
            )
