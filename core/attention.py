"""Attention under a declared mask, by the kernel that is in use: PyTorch's scaled-dot-product attention.

On the CPU its backward pass takes two to four times as long as plain matrix products do for short sequences, so
training takes those there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .sequence.mask import Mask

SHORT = 512
"""Keys up to which scores are worth writing out; their memory grows with the square of the length."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """Queries [B, heads, T, Dh] over keys and values [B, kv_heads, S, Dh] -> [B, heads, T, Dh], scaled by Dh^-0.5.

    The queries belong to the last T of the S keys. ``heads`` is a multiple of ``kv_heads`` (grouped-query attention,
    arXiv:2305.13245): query head h reads key head h // (heads / kv_heads).
    """
    rows, heads, queries, width = q.shape
    kv_heads, keys = k.shape[1:3]
    seen, causal = mask.compiled(queries, keys, q.device)
    if q.device.type == "cpu" and q.requires_grad and keys <= SHORT:
        return _written_out(q, k, v, seen, causal)
    if queries == 1 and heads != kv_heads:
        # The heads of a group see the same keys, so they pass as the queries of one head: the cache is read once.
        grouped = q.reshape(rows, kv_heads, heads // kv_heads, width)
        return scaled_dot_product_attention(grouped, k, v, attn_mask=seen).reshape(rows, heads, 1, width)
    return scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal, enable_gqa=heads != kv_heads)


def _written_out(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None, causal: bool) -> Tensor:
    """The same by matrix products: the scores of all queries and keys exist at once."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if seen is not None:
        scores = scores + torch.zeros(seen.shape, dtype=scores.dtype).masked_fill_(~seen, float("-inf"))
    weights: Tensor = scores.softmax(dim=-1).to(v.dtype)
    return weights @ v
