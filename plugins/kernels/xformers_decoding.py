"""Biases of single queries over a cache, whose rows hold documents after different amounts of padding.

B rows    g key heads    L positions that fit into the cache
"""

from __future__ import annotations

from dataclasses import replace

import torch
from janiform import Mask
from torch import Tensor
from xformers.ops.fmha.attn_bias import BlockDiagonalGappyKeysMask


def cache_length(k: Tensor, v: Tensor) -> int | None:
    """L if keys and values [B, g, S, Dh] are the first S positions of caches [B, g, L, Dh]; else None."""
    rows, kv_heads, keys, width = k.shape
    length = k.stride(1) // width
    for tensor in (k, v):
        strides = (kv_heads * length * width, length * width, width, 1)
        reach = tensor.storage_offset() + rows * kv_heads * length * width
        if length < keys or tensor.stride() != strides or reach > tensor.untyped_storage().nbytes() // tensor.itemsize:
            return None
    return length


class Steps:
    """Biases of all decoding steps: the first one with other lengths, which are all on the device from the start."""

    def __init__(self, mask: Mask, rows: int, kv_heads: int, length: int, device: torch.device) -> None:
        self._mask, self._rows, self._kv_heads, self._length, self._device = mask, rows, kv_heads, length, device
        self._positions = length if mask.documents is None else min(length, mask.documents.shape[1])
        self._starts = self._starts_at(self._positions)
        self._lengths = (
            (torch.arange(self._positions + 1)[:, None] - self._starts).clamp(min=0).to(torch.int32).to(device)
        )
        self._first = self._new_bias(self._positions, self._starts)
        self._step: tuple[int, BlockDiagonalGappyKeysMask] | None = None

    def bias(self, keys: int) -> BlockDiagonalGappyKeysMask:
        """The bias of one query per row and key head, over the last document of the first ``keys`` positions.

        Raises ``ValueError`` where the mask declares fewer positions.
        """
        if keys > self._positions:
            raise ValueError(f"the mask declares {self._positions} positions, but there are {keys} keys")
        if self._step is None or self._step[0] != keys:
            self._step = keys, self._bias_at(keys)
        return self._step[1]

    def _starts_at(self, keys: int) -> Tensor:
        """Starts of the documents that hold position ``keys`` − 1, int64 [B·g] on the CPU."""
        single = self._mask.documents is None
        starts = torch.zeros(self._rows, dtype=torch.int64) if single else self._mask.last_starts(keys)
        return starts.repeat_interleave(self._kv_heads)

    def _new_bias(self, keys: int, starts: Tensor) -> BlockDiagonalGappyKeysMask:
        offsets = starts + torch.arange(len(starts)) * self._length
        return BlockDiagonalGappyKeysMask.from_seqlens(
            q_seqlen=[1] * len(starts),
            kv_seqstarts=[*offsets.tolist(), len(starts) * self._length],
            kv_seqlen=(keys - starts).tolist(),
            device=self._device,
        )

    def _bias_at(self, keys: int) -> BlockDiagonalGappyKeysMask:
        lengths = (keys - self._starts).tolist()
        if min(lengths) < 1:  # within an earlier document of the prompt
            return self._new_bias(keys, self._starts_at(keys))
        info = replace(
            self._first.k_seqinfo,
            seqlen=self._lengths[keys],
            seqlen_py=lengths,
            max_seqlen=max(lengths),
            min_seqlen=min(lengths),
        )
        return replace(self._first, k_seqinfo=info)
