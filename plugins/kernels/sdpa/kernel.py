"""Scaled-dot-product attention under the mask as one tensor, with two shortcuts.

On the CPU its backward pass was measured at two to four times what plain matrix products take for short sequences, so
training takes those there. (Not on every processor: see benchmarks/results/attention-cpu-avx2.json.)
"""

from __future__ import annotations

import torch
from janiform import Mask
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .config import SdpaConfig

SHORT = 512
"""Keys up to which scores are worth writing out; their memory grows with the square of the length."""


class SdpaKernel:
    def __init__(self, config: SdpaConfig) -> None:
        self.config = config

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        queries, keys = q.shape[2], k.shape[2]
        if q.device.type == "cpu" and q.requires_grad and keys <= SHORT:
            return _written_out(q, k, v, *mask.compiled(queries, keys, q.device))
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
