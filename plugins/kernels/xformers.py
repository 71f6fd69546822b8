"""Attention by xformers: block-diagonal biases for packed sequences, split keys for single queries.

B rows    h heads    g key heads    L positions that fit into the cache    Dh head width
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
import xformers
from janiform import ComponentError, Mask, Problem, Runs
from torch import Tensor
from xformers.ops import fmha
from xformers.ops.fmha.attn_bias import BlockDiagonalMask

from .config import XformersConfig
from .runs import by_runs
from .sdpa import one_query
from .xformers_decoding import Steps, cache_length

SPLIT_WIDTHS = (16, 32, 64, 128, 256)
"""Head widths that the operator with split keys supports."""


class XformersKernel:
    """xformers' operators. Raises ``ComponentError`` where there is a GPU and they do not match the installed torch."""

    def __init__(self, config: XformersConfig) -> None:
        if torch.cuda.is_available() and not xformers._has_cpp_library:
            raise ComponentError(
                Problem(
                    f"kernel 'xformers': xformers {xformers.__version__} has no operators for torch "
                    f"{torch.__version__} with CUDA {torch.version.cuda}",
                    hint="install the xformers that was built for this torch, or use sdpa or auto",
                )
            )
        self.config = config
        self.splits = find_spec("triton") is not None

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        if q.shape[2] > 1:
            return by_runs(q, k, v, mask, lambda q, k, v, runs: _computed(q, k, v, runs, mask))
        length = cache_length(k, v)
        if length is None or not self.splits or q.requires_grad or q.shape[3] not in SPLIT_WIDTHS:
            return one_query(q, k, v, mask)
        return _one_step(q, k, v, mask, length)


def _computed(q: Tensor, k: Tensor, v: Tensor, runs: Runs, mask: Mask) -> Tensor:
    """See ``runs.Compute``; xformers takes all runs in one row [1, positions, heads, Dh]."""
    bias = mask.kept(("xformers", runs), lambda: block_diagonal(runs))
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        # The backward pass does not accept heads that are views of each other.
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    attended: Tensor = fmha.memory_efficient_attention(q[None], k[None], v[None], attn_bias=bias)
    return attended[0]


def _one_step(q: Tensor, k: Tensor, v: Tensor, mask: Mask, length: int) -> Tensor:
    """Attention of one query per row; a group of query heads reads its key head as one sequence, once."""
    rows, heads, _, width = q.shape
    kv_heads, keys = k.shape[1:3]
    groups = heads // kv_heads
    steps = mask.kept(
        ("xformers steps", rows, kv_heads, length, q.device), lambda: Steps(mask, rows, kv_heads, length, q.device)
    )
    total = rows * kv_heads * length
    shape, strides = (1, total, groups, width), (total * width, width, 0, 1)
    attended: Tensor = fmha.memory_efficient_attention_forward(
        q.reshape(1, rows * kv_heads, groups, width),
        torch.as_strided(k, shape, strides, k.storage_offset()),
        torch.as_strided(v, shape, strides, v.storage_offset()),
        attn_bias=steps.bias(keys),
        op=fmha.triton_splitk.FwOp,
    )
    return attended.reshape(rows, heads, 1, width)


def block_diagonal(runs: Runs) -> BlockDiagonalMask:
    """The bias of run i of the queries on run i of the keys: full, or causal with the last positions aligned."""
    bias = BlockDiagonalMask.from_seqlens(runs.query_lengths, runs.key_lengths, device=runs.query_starts.device)
    if not runs.causal:
        return bias
    return bias.make_causal() if runs.query_lengths == runs.key_lengths else bias.make_causal_from_bottomright()
