"""Attention by kernels that take sequences end to end: queries, keys and values concatenated, and back.

B rows    T queries    S keys    h heads    Dh head width    Q queries and K keys of the runs together
"""

from __future__ import annotations

from collections.abc import Callable

from janiform import Mask, Runs
from torch import Tensor

Compute = Callable[[Tensor, Tensor, Tensor, Runs], Tensor]
"""Queries [Q, heads, Dh], keys and values [K, kv_heads, Dh] of causal or full runs -> [Q, heads, Dh]."""


def by_runs(q: Tensor, k: Tensor, v: Tensor, mask: Mask, compute: Compute) -> Tensor:
    """Attention [B, heads, T, Dh] by one call for the causal runs and one for the full runs.

    Keys that several runs share are repeated, which only happens with full blocks or cached keys.
    """
    rows, heads, queries, width = q.shape
    runs = mask.runs(rows, queries, k.shape[2], q.device)
    flat_q, flat_k, flat_v = (tensor.transpose(1, 2).flatten(0, 1) for tensor in (q, k, v))
    if len(runs) == 1 and runs[0].queries is None:
        out = _computed(flat_q, flat_k, flat_v, runs[0], compute)
    else:
        out = flat_q.new_zeros(rows * queries, heads, width)
        for part in runs:
            attended = _computed(flat_q, flat_k, flat_v, part, compute)
            out = attended if part.queries is None else out.index_copy(0, part.queries, attended)
    return out.view(rows, queries, heads, width).transpose(1, 2)


def _computed(q: Tensor, k: Tensor, v: Tensor, runs: Runs, compute: Compute) -> Tensor:
    if runs.queries is not None:
        q = q.index_select(0, runs.queries)
    if runs.keys is not None:
        k, v = k.index_select(0, runs.keys), v.index_select(0, runs.keys)
    return compute(q, k, v, runs)
