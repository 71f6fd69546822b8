"""Phi (arXiv:2309.05463): decoder blocks whose attention and MLP are parallel.

B rows    T positions    H hidden width    h heads    Dh head width    V vocabulary
"""

from __future__ import annotations

import torch
from janiform import KVCache, Mask, attend
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu

from ..decoder.blocks import INITIAL_STD
from ..decoder.rotary import RotaryTable, frequencies, rotation, turned
from .config import PhiConfig

Rotation = tuple[Tensor, Tensor]


class Phi(nn.Module):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    def __init__(self, config: PhiConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, config.eps)
        self.lm_head = nn.Linear(config.width, config.vocabulary)
        self._rotary = RotaryTable()
        self._initialise()

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """Hidden states of T positions, which follow those in the cache; the mask covers cached and new keys.

        ``positions`` int64 [B, T] count within the document, so that padding on the left changes nothing.
        """
        if cache is None:
            rotary = rotation(positions, self.frequencies(positions.device), embeddings.dtype)
        else:
            rotary = self._rotary(positions, cache.length, embeddings.dtype, self.frequencies)
        x = embeddings
        for index, layer in enumerate(self.layers):
            x = layer(x, rotary, mask, cache, index)
        if cache is not None:
            cache.advance(x.shape[1])
        return self.norm(x)

    def blocks(self) -> tuple[nn.Module, ...]:
        """The layers, from the first to the last."""
        return tuple(self.layers)

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return self.embed_tokens(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        return self.lm_head(hidden)

    def frequencies(self, device: torch.device) -> Tensor:
        """Frequencies of the rotary positions, float32 [rotated channels / 2]."""
        return frequencies(self.config.rotary_width, self.config.rope_theta, device)

    def _initialise(self) -> None:
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=INITIAL_STD)
            if isinstance(part, nn.Linear):
                nn.init.zeros_(part.bias)
        for layer in self.layers:
            for part in (layer.attention.o_proj, layer.mlp.down_proj):
                nn.init.normal_(part.weight, std=INITIAL_STD / (2 * len(self.layers)) ** 0.5)


class Layer(nn.Module):
    """Hidden states [B, T, H] -> their sum with attention and MLP, which both read the states after one norm."""

    def __init__(self, config: PhiConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, config.eps)
        self.attention = Attention(config)
        self.mlp = Mlp(config.width, config.inner)
        self.dropout = config.dropout

    def forward(self, x: Tensor, rotary: Rotation, mask: Mask, cache: KVCache | None, index: int) -> Tensor:
        normed = self.norm(x)
        q, k, v = self.attention.project(normed, rotary)
        if cache is not None:
            k, v = cache.append(index, k, v)
        # Compiled graphs end at the attention kernel, so it is called at this level.
        attended = self.attention.o_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2))
        return self._dropped(attended) + self._dropped(self.mlp(normed)) + x

    def _dropped(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training) if self.dropout else x


class Attention(nn.Module):
    """The projections around attention; the first channels of each head are rotated."""

    def __init__(self, config: PhiConfig) -> None:
        super().__init__()
        shape = config.hidden()
        self.heads, self.kv_heads, self.head_width = config.heads, shape.kv_heads, shape.head_width
        self.qkv_proj = nn.Linear(config.width, (self.heads + 2 * self.kv_heads) * self.head_width)
        self.o_proj = nn.Linear(config.width, config.width)

    def project(self, x: Tensor, rotary: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, heads, T, Dh], keys and values [B, kv_heads, T, Dh] of normalised states [B, T, H]."""
        heads = self.qkv_proj(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        turning, v = heads.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        q, k = turned(turning, rotary).split((self.heads, self.kv_heads), dim=1)
        return q, k, v


class Mlp(nn.Module):
    """Two linear layers with GELU, by its tanh formula, between them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up_proj = nn.Linear(width, inner)
        self.down_proj = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gelu(self.up_proj(x), approximate="tanh"))
