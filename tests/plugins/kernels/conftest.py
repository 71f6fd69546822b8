"""Slow equivalents of operators that need a GPU, by their documentation, so that their callers are tested here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor


def varlen_attn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
) -> Tensor:
    """``torch.nn.attention.varlen.varlen_attn``: sequence by sequence, a causal query counts from the last key."""
    assert window_size in ((-1, -1), (-1, 0))
    assert enable_gqa or query.shape[1] == key.shape[1]
    for starts, longest, total in ((cu_seq_q, max_q, len(query)), (cu_seq_k, max_k, len(key))):
        assert starts.dtype == torch.int32
        assert starts[0] == 0
        assert starts[-1] == total
        assert int(starts.diff().max()) == longest
    groups = query.shape[1] // key.shape[1]
    pieces = []
    for number in range(len(cu_seq_q) - 1):
        q = query[cu_seq_q[number] : cu_seq_q[number + 1]].transpose(0, 1)
        k, v = (tensor[cu_seq_k[number] : cu_seq_k[number + 1]].transpose(0, 1) for tensor in (key, value))
        scores = q @ k.repeat_interleave(groups, 0).transpose(1, 2) / q.shape[-1] ** 0.5
        if window_size[1] == 0:
            ahead = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1 + scores.shape[2] - scores.shape[1])
            scores = scores.masked_fill(ahead, float("-inf"))
        pieces.append((scores.softmax(-1) @ v.repeat_interleave(groups, 0)).transpose(0, 1))
    return torch.cat(pieces)


def varlen_attn_of_torch_2_10(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool = False,
) -> Tensor:
    """The same as the first version had it: a flag, and grouped heads without being told."""
    window = (-1, 0 if is_causal else -1)
    return varlen_attn(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, window_size=window, enable_gqa=True)


def memory_efficient_attention(query: Tensor, key: Tensor, value: Tensor, attn_bias, op=None) -> Tensor:
    """xformers' operator on [1, positions, heads, width], by the bias' own ``materialize``."""
    assert query.shape[0] == key.shape[0] == 1
    assert query.shape[2:] == key.shape[2:] == value.shape[2:]
    q, k, v = (tensor.transpose(1, 2) for tensor in (query, key, value))
    bias = attn_bias.materialize((1, 1, q.shape[2], k.shape[2]), dtype=q.dtype)
    scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias).masked_fill(bias == float("-inf"), float("-inf"))
    return (scores.softmax(-1) @ v.nan_to_num()).transpose(1, 2)


@pytest.fixture(scope="session")
def twins() -> SimpleNamespace:
    return SimpleNamespace(
        varlen={"now": varlen_attn, "torch 2.10": varlen_attn_of_torch_2_10}, xformers=memory_efficient_attention
    )
