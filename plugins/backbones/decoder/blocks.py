"""The blocks of a decoder, and where the families differ.

B rows    T positions    H hidden width    h heads    Dh head width

The projections that read the same input are fused, since a step of decoding is bound by the number of kernels and by
reading each weight once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from attrs import frozen
from janiform import KVCache, Mask, attend
from torch import Tensor, nn
from torch.nn.functional import dropout, rms_norm, silu

from .config import DecoderConfig
from .rotary import rotate

INITIAL_STD = 0.02


class RMSNorm(nn.Module):
    """x / rms(x) · weight over the last dimension (arXiv:1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        # Heads are bfloat16 where projections are; of one type with the weight, they go through one operation.
        wide = torch.promote_types(x.dtype, self.weight.dtype)
        return rms_norm(x.to(wide), self.weight.shape, self.weight, self.eps)


@frozen
class Variant:
    """What sets a family of decoders apart; the defaults are Llama's."""

    qkv_bias: bool = False
    """Whether the projections to queries, keys and values have a bias."""
    head_norm: bool = False
    """Whether each head of the queries and keys is normalised before it is turned (arXiv:2302.05442)."""
    norm: type[RMSNorm] = RMSNorm
    gate: Callable[[Tensor], Tensor] = silu
    """The activation of the MLP's gate."""


class Block(nn.Module):
    """Hidden states [B, T, H] -> the same after attention and MLP, each before a residual sum."""

    def __init__(self, config: DecoderConfig, variant: Variant) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.attention_norm = variant.norm(config.width, config.eps)
        self.attention = Attention(config, variant)
        self.mlp_norm = variant.norm(config.width, config.eps)
        self.mlp = GatedMLP(config.width, config.inner, variant.gate)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None, index: int) -> Tensor:
        q, k, v = self.attention.heads_of(self.attention_norm(x), turn)
        if cache is not None:
            k, v = cache.append(index, k, v)
        # Here and not within a part of the block: what is compiled ends at a kernel, in every function that calls it.
        x = x + self._drop(self.attention.joined(attend(q, k, v, mask)))
        return x + self._drop(self.mlp(self.mlp_norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training) if self.dropout else x


class Attention(nn.Module):
    """The projections around rotary grouped-query attention."""

    def __init__(self, config: DecoderConfig, variant: Variant) -> None:
        super().__init__()
        shape = config.hidden()
        self.head_width = shape.head_width
        self.heads = config.heads
        self.kv_heads = shape.kv_heads
        fused = (self.heads + 2 * self.kv_heads) * self.head_width
        self.qkv_proj = nn.Linear(config.width, fused, bias=variant.qkv_bias)
        self.o_proj = nn.Linear(self.heads * self.head_width, config.width, bias=False)
        self.q_norm = variant.norm(self.head_width, config.eps) if variant.head_norm else None
        self.k_norm = variant.norm(self.head_width, config.eps) if variant.head_norm else None

    def heads_of(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, heads, T, Dh], keys and values [B, kv_heads, T, Dh] of normalised states [B, T, H]."""
        heads_B_h_T_Dh = self.qkv_proj(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        turning, v = heads_B_h_T_Dh.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = turning.split((self.heads, self.kv_heads), dim=1)
            turning = torch.cat((self.q_norm(q), self.k_norm(k)), dim=1)
        q, k = rotate(turning, turn).split((self.heads, self.kv_heads), dim=1)
        return q, k, v

    def joined(self, attended: Tensor) -> Tensor:
        """What the heads have seen [B, heads, T, Dh] -> [B, T, H]."""
        return self.o_proj(attended.transpose(1, 2).flatten(2))


class GatedMLP(nn.Module):
    """(activation(gate) · up), projected down (arXiv:2002.05202)."""

    def __init__(self, width: int, inner: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.gate_up_proj = nn.Linear(width, 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(self.activation(gate) * up)


def through(
    layers: Iterable[nn.Module], x: Tensor, turn: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None
) -> Tensor:
    """Hidden states [B, T, H] through the blocks; what a cache holds comes before them."""
    length = x.shape[1]
    for index, layer in enumerate(layers):
        x = layer(x, turn, mask, cache, index)
    if cache is not None:
        cache.advance(length)
    return x


def initialise(module: nn.Module, layers: nn.ModuleList) -> None:
    """Normal weights, no biases; what the blocks add to the residual stream is scaled down by their number."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=INITIAL_STD)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
    for layer in layers:
        for part in (layer.attention.o_proj, layer.mlp.down_proj):
            nn.init.normal_(part.weight, std=INITIAL_STD / (2 * len(layers)) ** 0.5)
