"""The decoder of Bamba.

B rows    T positions    H hidden width    V vocabulary    h heads    Dh head width
"""

from __future__ import annotations

import torch
from janiform import KVCache, Mask, attend
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from ..decoder.blocks import INITIAL_STD, GatedMLP
from ..decoder.rotary import RotaryTable, frequencies, rotation, turned
from .cache import BambaCache
from .config import BambaConfig
from .recurrent import Recurrent

Rotation = tuple[Tensor, Tensor]


class Bamba(nn.Module):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    def __init__(self, config: BambaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Layer(config, attends=index in config.attention) for index in range(config.layers))
        self.norm = nn.RMSNorm(config.width, config.eps)
        self.lm_head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)
        self._rotary = RotaryTable()
        self._initialise()

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: BambaCache | None = None) -> Tensor:
        """Hidden states of T positions, which follow those in the cache; the mask covers cached and new keys."""
        length, filled = embeddings.shape[1], 0 if cache is None else cache.filled
        if cache is None:
            rotary = rotation(positions, self.frequencies(positions.device), embeddings.dtype)
        else:
            rotary = self._rotary(positions, cache.length, embeddings.dtype, self.frequencies)
        documents = before = None
        if mask.documents is not None:
            documents = mask.documents[:, filled : filled + length]
            before = mask.documents[:, filled - 1] if filled else None
        x, attending, recurrent = embeddings, 0, 0
        for layer in self.layers:
            index = attending if layer.attends else recurrent
            x = layer(x, rotary, mask, documents, before, cache, index)
            attending, recurrent = attending + layer.attends, recurrent + (not layer.attends)
        if cache is not None:
            cache.attention.advance(length)
        return self.norm(x)

    def blocks(self) -> tuple[nn.Module, ...]:
        """The layers, from the first to the last."""
        return tuple(self.layers)

    def new_cache(self, rows: int, length: int, dtype: torch.dtype, device: torch.device | str) -> BambaCache:
        """An empty cache; see ``janiform.contracts.Backbone``."""
        return BambaCache(self.config, rows, length, dtype, device)

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return self.embed_tokens(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        return linear(hidden, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(hidden)

    def frequencies(self, device: torch.device) -> Tensor:
        """Frequencies of the rotary positions, float32 [rotated channels / 2]."""
        return frequencies(self.config.rotary_width, self.config.rope_theta, device)

    def _initialise(self) -> None:
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=INITIAL_STD)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
        for layer in self.layers:
            for part in (layer.mixer.o_proj if layer.attends else layer.mixer.out_proj, layer.mlp.down_proj):
                nn.init.normal_(part.weight, std=INITIAL_STD / (2 * len(self.layers)) ** 0.5)


class Layer(nn.Module):
    """Hidden states [B, T, H] -> the same after attention or recurrence, and an MLP, each before a residual sum."""

    def __init__(self, config: BambaConfig, *, attends: bool) -> None:
        super().__init__()
        self.attends = attends
        self.mixer_norm = nn.RMSNorm(config.width, config.eps)
        self.mixer = PartlyRotated(config) if attends else Recurrent(config)
        self.mlp_norm = nn.RMSNorm(config.width, config.eps)
        self.mlp = GatedMLP(config.width, config.inner, silu)

    def forward(
        self,
        x: Tensor,
        rotary: Rotation,
        mask: Mask,
        documents: Tensor | None,
        before: Tensor | None,
        cache: BambaCache | None,
        index: int,
    ) -> Tensor:
        normed = self.mixer_norm(x)
        if isinstance(self.mixer, PartlyRotated):
            q, k, v = self.mixer.project(normed, rotary)
            if cache is not None:
                kept: KVCache = cache.attention
                k, v = kept.append(index, k, v)
            # Compiled graphs end at the attention kernel, so it is called at this level.
            mixed = self.mixer.o_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2))
        else:
            mixed = self.mixer(normed, documents, before, cache, index)
        x = x + mixed
        return x + self.mlp(self.mlp_norm(x))


class PartlyRotated(nn.Module):
    """The projections around grouped-query attention, whose first channels of each head are rotated."""

    def __init__(self, config: BambaConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads or config.heads
        self.head_width = config.head_width
        fused = (self.heads + 2 * self.kv_heads) * self.head_width
        self.qkv_proj = nn.Linear(config.width, fused, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def project(self, x: Tensor, rotary: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, heads, T, Dh], keys and values [B, kv_heads, T, Dh] of normalised states [B, T, H]."""
        heads = self.qkv_proj(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        turning, v = heads.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        q, k = turned(turning, rotary).split((self.heads, self.kv_heads), dim=1)
        return q, k, v
