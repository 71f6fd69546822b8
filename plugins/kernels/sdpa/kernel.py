"""Scaled-dot-product attention under the mask as one tensor, and on the CPU documents in groups where that pays.

B rows    T queries    S keys    h heads    Dh head width    Q queries and K keys of some runs together
"""

from __future__ import annotations

import torch
from janiform import Mask, UsageError, sdpa
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ..runs import by_runs
from .alike import Alike, alike, from_groups, to_groups
from .config import SdpaConfig

CALL = 2_000_000
"""A call takes as long as so many products of a query's channel with a key's, about, …"""
MOVING = 4_000
"""… and so does moving one position into a group and back. A group that does not spare them does not pay."""


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
        seen, causal = mask.compiled(queries, keys, q.device)
        grouped = q.shape[1] != k.shape[1]
        return sdpa(q, k, v, attn_mask=seen, is_causal=causal, enable_gqa=grouped)


def one_query(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """A step of decoding: queries [B, heads, 1, Dh] over all that is cached.

    The heads of a group see the same keys, so they pass as the queries of one head: the cache is read once.
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


def _in_groups(q: Tensor, k: Tensor, mask: Mask) -> dict[bool, Alike] | None:
    """Groups of documents by whether they are causal, where computing these pays: other pairs then cost nothing.

    None where it does not, and where a mask has no values.
    """
    if q.device.type != "cpu" or type(mask.documents) is not Tensor:
        return None
    rows, heads, queries, width = q.shape
    keys = k.shape[2]

    def groups() -> dict[bool, Alike] | None:
        try:
            runs = mask.runs(rows, queries, keys, q.device)
        except UsageError:  # a document in several pieces, of which only a mask as a tensor knows
            return None
        found = {some.causal: alike(some, CALL // (heads * width)) for some in runs}
        calls = sum(len(some.groups) for some in found.values())
        spared = rows * queries * keys - sum(some.pairs for some in found.values())
        return found if spared * heads * width > MOVING * rows * queries + CALL * calls else None

    return mask.kept(("groups", queries, keys, heads * width), groups)


def _computed(q: Tensor, k: Tensor, v: Tensor, runs: Alike) -> Tensor:
    """Queries [Q, h, Dh], keys and values [K, kv heads, Dh] of runs of one kind -> [Q, h, Dh]."""
    grouped = q.shape[1] != k.shape[1]
    parts = []
    flat_q, flat_k, flat_v = (
        to_groups(tensor, moves) for tensor, moves in ((q, runs.queries), (k, runs.keys), (v, runs.keys))
    )
    query_sizes = [group.number * group.queries for group in runs.groups]
    key_sizes = [group.number * group.keys for group in runs.groups]
    for group, own_q, own_k, own_v in zip(
        runs.groups, flat_q.split(query_sizes), flat_k.split(key_sizes), flat_v.split(key_sizes), strict=True
    ):
        queries, keys = group.queries, group.keys
        late = runs.causal and queries != keys
        seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries) if late else None
        attended = sdpa(
            *(tensor.unflatten(0, (group.number, -1)).transpose(1, 2) for tensor in (own_q, own_k, own_v)),
            attn_mask=seen,
            is_causal=runs.causal and not late,
            enable_gqa=grouped,
        )
        parts.append(attended.transpose(1, 2).flatten(0, 1))
    return from_groups(torch.cat(parts), runs.queries)
