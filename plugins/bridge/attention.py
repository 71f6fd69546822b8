"""The attention of bridged language models: transformers' layers hand over queries, keys and values, janiform attends.

transformers calls it by the name that it is registered under, in place of its own; so there is one mask and one cache
for every family, and what a family adds (its scale, a sliding window, a cap on the scores) is kept.

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
"""Tensors that transformers hands on beside what attention needs; they do not change what it gives."""


@frozen(eq=False)
class Pass:
    """What one forward brings to the attention of all layers. ``calls`` are noted where somebody wants to see them."""

    mask: Mask
    cache: KVCache | None = None
    calls: list[Call] | None = None
    _narrowed: dict[tuple[int, int, int], Tensor] = field(factory=dict, init=False)

    def within(self, window: int, queries: int, keys: int, device: torch.device) -> Tensor:
        """Bool [B or 1, 1, T, S]: who sees whom, less the keys that lie ``window`` positions back or more.

        Positions of one full block see one another however far apart, as those of a picture do in Gemma 3.
        """
        shape = (window, queries, keys)
        if shape not in self._narrowed:
            seen, causal = self.mask.compiled(queries, keys, device)
            if seen is None:
                seen = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=device)
                seen = seen.tril(keys - queries) if causal else seen
            place = torch.arange(keys, device=device)
            kept = (place[keys - queries :, None] - place) < window
            if self.mask.blocks is not None:
                block = self.mask.blocks[:, None, :keys]
                own = block[..., keys - queries :, None]
                kept = kept | ((own == block[:, :, None]) & (own != 0))
            self._narrowed[shape] = seen & kept
        return self._narrowed[shape]


@frozen
class Call:
    """What one layer handed to its attention: its number, the shapes of keys and values, and what else."""

    layer: int
    keys: tuple[int, ...]
    values: tuple[int, ...]
    window: int | None
    strange: tuple[str, ...]


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
    janiform_pass: Pass | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Queries [B, h, T, D] of a layer, keys and values [B, g, T, D] -> [B, T, h, D], as transformers' layers call it.

    Raises ``RuntimeError`` where a layer does not hand on the pass that its model was given.
    """
    if janiform_pass is None:
        raise RuntimeError(f"{type(module).__name__} does not hand on what its model is given beside hidden states")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    if janiform_pass.calls is not None:
        strange = (name for name, other in others.items() if isinstance(other, Tensor) and name not in HARMLESS)
        call = Call(layer, tuple(key.shape), tuple(value.shape), sliding_window, tuple(sorted(strange)))
        janiform_pass.calls.append(call)
    if janiform_pass.cache is not None:
        key, value = janiform_pass.cache.append(layer, key, value)
    mask, queries, keys = janiform_pass.mask, query.shape[2], key.shape[2]
    narrow = sliding_window is not None and keys > sliding_window
    if not (narrow or softcap or dropout):
        given = attend(query * (scale * math.sqrt(query.shape[-1])), key, value, mask)
        return given.transpose(1, 2).contiguous(), None
    causal = False
    seen: Tensor | None
    if narrow:
        seen = janiform_pass.within(int(sliding_window or 0), queries, keys, query.device)
    else:
        seen, causal = mask.compiled(queries, keys, query.device)
    if softcap:
        given = _capped(query, key, value, seen, causal, scale, softcap, dropout)
    else:
        given = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen,
            dropout_p=dropout,
            is_causal=causal,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
    return given.transpose(1, 2).contiguous(), None


def _capped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor | None,
    causal: bool,
    scale: float,
    softcap: float,
    dropout: float,
) -> Tensor:
    """With scores that a hyperbolic tangent keeps below ``softcap``, as in Gemma 2 (arXiv:2408.00118)."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = softcap * torch.tanh((query @ key.transpose(-1, -2)) * (scale / softcap))
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if seen is not None:
        scores = scores.masked_fill(~seen, float("-inf"))
    weights = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
    return drop(weights, dropout) @ value if dropout else weights @ value
