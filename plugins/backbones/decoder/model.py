"""A decoder of pre-norm blocks, of which each family of language models is a variant.

B rows    T positions    H hidden width    V vocabulary
"""

from __future__ import annotations

from typing import ClassVar

import torch
from janiform import KVCache, Mask
from torch import Tensor, nn
from torch.nn.functional import linear

from .blocks import Block, Variant, initialise, through
from .config import DecoderConfig
from .rotary import frequencies, rotation


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
        initialise(self, self.layers)

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """With a cache, the T given positions follow those already in it, and the mask covers cached and new keys.

        ``positions`` int64 [B, T] count within the document, so that padding on the left changes nothing.
        """
        turn = rotation(positions, self.frequencies(positions.device), embeddings.dtype)
        return self.norm(through(self.layers, embeddings, turn, mask, cache))

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return self.embed_tokens(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        return linear(hidden, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(hidden)

    def frequencies(self, device: torch.device) -> Tensor:
        """Of the rotary positions, float32 [head width / 2]."""
        return frequencies(self.config.hidden().head_width, self.config.rope_theta, device)
