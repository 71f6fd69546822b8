"""Flex-attention: the mask is a function of two positions, and tiles that it empties are skipped.

B rows    T queries    S keys    Dh head width
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from janiform import Mask
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from .config import FlexConfig
from .sdpa import one_query


class FlexKernel:
    """A single query is one row of the mask, in which nothing can be skipped, so it is computed as in sdpa."""

    def __init__(self, config: FlexConfig) -> None:
        self.config = config
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        queries, keys = q.shape[2], k.shape[2]
        if queries == 1:
            return one_query(q, k, v, mask)
        tiles = mask.kept(
            ("flex", self.config.block, queries, keys, q.device),
            lambda: block_mask(mask, queries, keys, q.device, self.config.block),
        )
        attended: Tensor = self._run(q)(q, k, v, block_mask=tiles, enable_gqa=q.shape[1] != k.shape[1])
        return attended

    def _run(self, q: Tensor) -> Callable[..., Any]:
        # Compiled kernels do not support float64, and torch 2.13 compiles this mask incorrectly for CPUs.
        if self.config.compiled != q.device.type or q.dtype == torch.float64:
            return _uncompiled
        if self._compiled is None:
            self._compiled = torch.compile(flex_attention)
        return self._compiled


@torch.compiler.set_stance("force_eager")
def _uncompiled(*args: Any, **options: Any) -> Any:
    """Run eagerly: otherwise torch compiles a wrapper for every shape and mask until it reaches its limit."""
    return flex_attention(*args, **options)


def block_mask(mask: Mask, queries: int, keys: int, device: torch.device, tile: int) -> BlockMask:
    """The mask [B or 1, 1, T, S] for the last ``queries`` of ``keys`` positions, in tiles."""
    documents, blocks, seen, offset = mask.documents, mask.blocks, mask.seen, keys - queries
    if documents is None:

        def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return k <= q + offset
    else:
        if keys > documents.shape[1]:
            raise ValueError(f"the mask declares {documents.shape[1]} positions, but there are {keys} keys")

        def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            position = q + offset
            document = documents[b, position]
            order = k <= position
            if blocks is not None:
                block = blocks[b, position]
                order = order | ((block == blocks[b, k]) & (block != 0))
            if seen is not None:
                shown = seen[b, k] == 0
                order = order & (shown if blocks is None else shown | (seen[b, k] == blocks[b, position]))
            return ((document == documents[b, k]) & (document >= 0) & order) | (position == k)

    rows = None if documents is None else len(documents)
    return create_block_mask(sees, rows, None, queries, keys, device=device, BLOCK_SIZE=tile)
