"""The attention of bridged language models: janiform's kernels on the queries, keys and values of transformers' layers.

It is registered with transformers by name, in place of transformers' own attention, so that all families use janiform's
mask and cache, and keep what they add: a scale, a sliding window, a cap on the scores.

B rows    h heads    g key and value heads    T queries    S keys    D head width
"""

from __future__ import annotations

import math
from typing import Any

import torch
from attrs import field, frozen
from janiform import KVCache, Mask, attend
from torch import Tensor, nn
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention

NAME = "janiform"

HARMLESS = {"position_ids", "position_embeddings", "cache_position", "attention_mask", "cu_seq_lens_q", "cu_seq_lens_k"}
"""Tensors that transformers passes besides those that attention needs; they do not affect its output."""


@frozen(eq=False)
class ForwardContext:
    """Mask and cache of one forward pass, for the attention of all layers; ``calls`` records them unless it is None."""

    mask: Mask
    cache: KVCache | None = None
    calls: list[AttentionCall] | None = None
    _narrowed: dict[tuple[int, int, int], Tensor] = field(factory=dict, init=False)

    def within(self, window: int, queries: int, keys: int, device: torch.device) -> Tensor:
        """The mask, bool [B or 1, 1, T, S], without keys that are ``window`` positions back or more.

        Positions of one full block see each other at any distance, like those of a picture in Gemma 3.
        """
        shape = (window, queries, keys)
        if shape not in self._narrowed:
            allowed, causal = self.mask.compiled(queries, keys, device)
            if allowed is None:
                allowed = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=device)
                allowed = allowed.tril(keys - queries) if causal else allowed
            position = torch.arange(keys, device=device)
            near = (position[keys - queries :, None] - position) < window
            if self.mask.blocks is not None:
                block = self.mask.blocks[:, None, :keys]
                query_block = block[..., keys - queries :, None]
                near = near | ((query_block == block[:, :, None]) & (query_block != 0))
            self._narrowed[shape] = allowed & near
        return self._narrowed[shape]


@frozen
class AttentionCall:
    """The arguments of one call by a layer: its index, shapes of keys and values, window, and unknown tensors."""

    layer: int
    keys: tuple[int, ...]
    values: tuple[int, ...]
    window: int | None
    unknown: tuple[str, ...]


def bridged_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    janiform_context: ForwardContext | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Queries [B, h, T, D] of a layer, keys and values [B, g, T, D] -> [B, T, h, D], in transformers' interface.

    Raises ``RuntimeError`` where a layer does not pass on the context that its model was given.
    """
    if janiform_context is None:
        raise RuntimeError(f"{type(module).__name__} does not pass on the keyword arguments of its model")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    if janiform_context.calls is not None:
        unknown = (name for name, other in others.items() if isinstance(other, Tensor) and name not in HARMLESS)
        call = AttentionCall(layer, tuple(key.shape), tuple(value.shape), sliding_window, tuple(sorted(unknown)))
        janiform_context.calls.append(call)
    if janiform_context.cache is not None:
        key, value = janiform_context.cache.append(layer, key, value)
    mask, queries, keys = janiform_context.mask, query.shape[2], key.shape[2]
    narrow = sliding_window is not None and keys > sliding_window
    if not (narrow or softcap or dropout):
        attended = attend(query * (scale * math.sqrt(query.shape[-1])), key, value, mask)
        return attended.transpose(1, 2).contiguous(), None
    causal = False
    allowed: Tensor | None
    if narrow:
        allowed = janiform_context.within(int(sliding_window or 0), queries, keys, query.device)
    else:
        allowed, causal = mask.compiled(queries, keys, query.device)
    if softcap:
        attended = _capped(query, key, value, allowed, causal, scale, softcap, dropout)
    else:
        attended = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=allowed,
            dropout_p=dropout,
            is_causal=causal,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
    return attended.transpose(1, 2).contiguous(), None


def _capped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None,
    causal: bool,
    scale: float,
    softcap: float,
    dropout: float,
) -> Tensor:
    """Attention with scores that a hyperbolic tangent limits to ``softcap``, as in Gemma 2 (arXiv:2408.00118)."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = softcap * torch.tanh((query @ key.transpose(-1, -2)) * (scale / softcap))
    if causal:
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    weights = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
    return drop(weights, dropout) @ value if dropout else weights @ value
