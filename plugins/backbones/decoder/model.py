"""A decoder of pre-norm blocks, of which each family of language models is a variant.

B rows    T positions    H hidden width    V vocabulary
"""

from __future__ import annotations

from typing import ClassVar

import torch
from janiform import KVCache, Mask
from torch import Tensor, nn
from torch.nn.functional import linear

from .blocks import Block, Variant
from .config import DecoderConfig
from .rotary import frequencies, rotation

INITIAL_STD = 0.02


class Decoder(nn.Module):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    variant: ClassVar[Variant] = Variant()

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Block(config, self.variant) for _ in range(config.layers))
        self.norm = self.variant.norm(config.width, config.eps)
        self.lm_head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)
        self._initialise()

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """With a cache, the T given positions follow those already in it, and the mask covers cached and new keys.

        ``positions`` int64 [B, T] count within the document, so that padding on the left changes nothing.
        """
        turn = rotation(positions, self.frequencies(positions.device), embeddings.dtype)
        x_BTH = embeddings
        for index, layer in enumerate(self.layers):
            x_BTH = layer(x_BTH, turn, mask, cache, index)
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return self.norm(x_BTH)

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return self.embed_tokens(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        return linear(hidden, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(hidden)

    def frequencies(self, device: torch.device) -> Tensor:
        """Of the rotary positions, float32 [head width / 2]."""
        return frequencies(self.config.hidden().head_width, self.config.rope_theta, device)

    def _initialise(self) -> None:
        """Normal weights, no biases; what the blocks add to the residual stream is scaled down by their number."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=INITIAL_STD)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        for layer in self.layers:
            for module in (layer.attention.o_proj, layer.mlp.down_proj):
                nn.init.normal_(module.weight, std=INITIAL_STD / (2 * len(self.layers)) ** 0.5)
