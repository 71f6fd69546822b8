"""Scaled-dot-product attention under the mask as one tensor, and on the CPU document by document where that pays.

B rows    T queries    S keys    h heads    Dh head width    Q queries and K keys of some runs together
"""

from __future__ import annotations

import torch
from janiform import Mask, Runs, UsageError
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ..runs import by_runs
from .config import SdpaConfig

PAYS = 2_000_000
"""A call takes as long as so many products of a query's channel with a key's, about: how many more it has to spare."""


class SdpaKernel:
    def __init__(self, config: SdpaConfig) -> None:
        self.config = config

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        queries, keys = q.shape[2], k.shape[2]
        if queries == 1:
            return one_query(q, k, v, mask)
        if _apart(q, k, mask):
            return by_runs(q, k, v, mask, _one_by_one)
        seen, causal = mask.compiled(queries, keys, q.device)
        grouped = q.shape[1] != k.shape[1]
        return scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal, enable_gqa=grouped)


def one_query(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """A step of decoding: queries [B, heads, 1, Dh] over all that is cached.

    The heads of a group see the same keys, so they pass as the queries of one head: the cache is read once.
    """
    rows, heads, _, width = q.shape
    kv_heads, keys = k.shape[1:3]
    seen, causal = mask.compiled(1, keys, q.device)
    if heads == kv_heads:
        return scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal)
    grouped = q.reshape(rows, kv_heads, heads // kv_heads, width)
    return scaled_dot_product_attention(grouped, k, v, attn_mask=seen).reshape(rows, heads, 1, width)


def _apart(q: Tensor, k: Tensor, mask: Mask) -> bool:
    """Whether documents are to be computed one by one: pairs of different ones then cost nothing, and every one a call.

    Not inside of ``torch.compile``, which would compile again for every batch, nor where a mask has no values.
    """
    if q.device.type != "cpu" or torch.compiler.is_compiling() or type(mask.documents) is not Tensor:
        return False
    rows, heads, queries, width = q.shape
    keys = k.shape[2]

    def pays() -> bool:
        try:
            runs = mask.runs(rows, queries, keys, q.device)
        except UsageError:  # a document in several pieces, of which only a mask as a tensor knows
            return False
        lengths = [pair for some in runs for pair in zip(some.query_lengths, some.key_lengths, strict=True)]
        spared = rows * queries * keys - sum(asking * asked for asking, asked in lengths)
        return spared * heads * width > PAYS * len(lengths)

    return mask.kept(("apart", queries, keys, heads * width), pays)


def _one_by_one(q: Tensor, k: Tensor, v: Tensor, runs: Runs) -> Tensor:
    """Queries [Q, h, Dh], keys and values [K, kv heads, Dh] of runs of one kind -> [Q, h, Dh]."""
    grouped = q.shape[1] != k.shape[1]
    parts = []
    for own_q, own_k, own_v in zip(
        q.split(runs.query_lengths), k.split(runs.key_lengths), v.split(runs.key_lengths), strict=True
    ):
        queries, keys = len(own_q), len(own_k)
        late = runs.causal and queries != keys
        seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries) if late else None
        attended = scaled_dot_product_attention(
            *(tensor.transpose(0, 1)[None] for tensor in (own_q, own_k, own_v)),
            attn_mask=seen,
            is_causal=runs.causal and not late,
            enable_gqa=grouped,
        )
        parts.append(attended[0].transpose(0, 1))
    return torch.cat(parts)
