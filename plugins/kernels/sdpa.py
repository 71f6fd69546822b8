"""Scaled-dot-product attention with the mask as one tensor, or on the CPU with documents in groups where it is faster.

B rows    T queries    S keys    h heads    Dh head width    Q queries and K keys of some runs together
"""

from __future__ import annotations

import torch
from janiform import Mask, UsageError, sdpa
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .config import SdpaConfig
from .groups import Groups, from_groups, group_runs, to_groups
from .runs import by_runs

CALL_COST = 2_000_000
"""Approximate cost of one call, in products of one channel of a query and a key."""
MOVE_COST = 4_000
"""Approximate cost of moving one position into a group and back, in the same unit."""


class SdpaKernel:
    def __init__(self, config: SdpaConfig) -> None:
        self.config = config

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        queries, keys = q.shape[2], k.shape[2]
        if queries == 1:
            return one_query(q, k, v, mask)
        groups = _in_groups(q, k, mask)
        if groups is not None:
            return by_runs(q, k, v, mask, lambda q, k, v, runs: _computed(q, k, v, groups[runs.causal]))
        allowed, causal = mask.compiled(queries, keys, q.device)
        grouped = q.shape[1] != k.shape[1]
        return sdpa(q, k, v, attn_mask=allowed, is_causal=causal, enable_gqa=grouped)


def one_query(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """One decoding step: queries [B, heads, 1, Dh] over all cached keys.

    The query heads of a group share their keys, so they are passed as queries of one head, which reads the cache once.
    """
    rows, heads, _, width = q.shape
    kv_heads, keys = k.shape[1:3]
    # Without declared documents the query attends to all keys.
    allowed = None if mask.documents is None else mask.compiled(1, keys, q.device)[0]
    attention = sdpa if torch.is_grad_enabled() else scaled_dot_product_attention
    if heads == kv_heads:
        return attention(q, k, v, attn_mask=allowed)
    grouped = q.reshape(rows, kv_heads, heads // kv_heads, width)
    return attention(grouped, k, v, attn_mask=allowed).reshape(rows, heads, 1, width)


def _in_groups(q: Tensor, k: Tensor, mask: Mask) -> dict[bool, Groups] | None:
    """Groups of causal and of full runs, where computing them is faster, since other pairs of positions are skipped.

    None where it is not faster, and where the mask holds no values.
    """
    if q.device.type != "cpu" or type(mask.documents) is not Tensor:
        return None
    rows, heads, queries, width = q.shape
    keys = k.shape[2]

    def groups() -> dict[bool, Groups] | None:
        try:
            runs = mask.runs(rows, queries, keys, q.device)
        except UsageError:  # a document in several pieces, which only a mask as a tensor can express
            return None
        grouped = {part.causal: group_runs(part, CALL_COST // (heads * width)) for part in runs}
        calls = sum(len(part.groups) for part in grouped.values())
        skipped = rows * queries * keys - sum(part.pairs for part in grouped.values())
        pays = skipped * heads * width > MOVE_COST * rows * queries + CALL_COST * calls
        return grouped if pays else None

    return mask.kept(("groups", queries, keys, heads * width), groups)


def _computed(q: Tensor, k: Tensor, v: Tensor, runs: Groups) -> Tensor:
    """Queries [Q, h, Dh], keys and values [K, kv heads, Dh] of causal or full runs -> [Q, h, Dh]."""
    grouped = q.shape[1] != k.shape[1]
    parts = []
    flat_q, flat_k, flat_v = (
        to_groups(tensor, moves) for tensor, moves in ((q, runs.queries), (k, runs.keys), (v, runs.keys))
    )
    query_sizes = [group.number * group.queries for group in runs.groups]
    key_sizes = [group.number * group.keys for group in runs.groups]
    for group, group_q, group_k, group_v in zip(
        runs.groups, flat_q.split(query_sizes), flat_k.split(key_sizes), flat_v.split(key_sizes), strict=True
    ):
        queries, keys = group.queries, group.keys
        with_cache = runs.causal and queries != keys
        allowed = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries) if with_cache else None
        attended = sdpa(
            *(tensor.unflatten(0, (group.number, -1)).transpose(1, 2) for tensor in (group_q, group_k, group_v)),
            attn_mask=allowed,
            is_causal=runs.causal and not with_cache,
            enable_gqa=grouped,
        )
        parts.append(attended.transpose(1, 2).flatten(0, 1))
    return from_groups(torch.cat(parts), runs.queries)
