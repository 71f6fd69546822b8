"""Attention under a declared mask, by the kernel that is in use: PyTorch's scaled-dot-product attention."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .sequence.mask import Mask


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """Queries [B, heads, T, Dh] over keys and values [B, kv_heads, S, Dh] -> [B, heads, T, Dh], scaled by Dh^-0.5.

    The queries belong to the last T of the S keys. ``heads`` is a multiple of ``kv_heads`` (grouped-query attention,
    arXiv:2305.13245): query head h reads key head h // (heads / kv_heads).
    """
    rows, heads, queries, width = q.shape
    kv_heads, keys = k.shape[1:3]
    seen, causal = mask.compiled(queries, keys, q.device)
    if queries == 1 and heads != kv_heads:
        # The heads of a group see the same keys, so they pass as the queries of one head: the cache is read once.
        grouped = q.reshape(rows, kv_heads, heads // kv_heads, width)
        return scaled_dot_product_attention(grouped, k, v, attn_mask=seen).reshape(rows, heads, 1, width)
    return scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal, enable_gqa=heads != kv_heads)
