"""Scaled-dot-product attention under the mask as one tensor; a step of decoding reads the cache of a group once."""

from __future__ import annotations

from janiform import Mask
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .config import SdpaConfig


class SdpaKernel:
    def __init__(self, config: SdpaConfig) -> None:
        self.config = config

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        queries, keys = q.shape[2], k.shape[2]
        if queries == 1:
            return one_query(q, k, v, mask)
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
