"""A decoder of pre-norm blocks, built in the variant that its config names.

B rows    T positions    H hidden width    V vocabulary
"""

from __future__ import annotations

import torch
from janiform import KVCache, Mask, Routes
from torch import Tensor, nn
from torch.nn.functional import linear

from .blocks import Block, by_set, initialise, norm, run_blocks
from .config import DecoderConfig
from .rotary import RotaryTable, frequencies, rotation, stretched


class FinalNorm(nn.Module):
    """The final norm of a further set of weights."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.norm = norm(config.width, config)


class Decoder(nn.Module):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(self.block(index) for index in range(config.layers))
        self.norm = norm(config.width, config)
        for name in config.routes:
            self.add_module(name, FinalNorm(config))
        self.lm_head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)
        self._rotary = RotaryTable()
        initialise(self, self.layers)

    def forward(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Mask,
        cache: KVCache | None = None,
        *,
        routes: Routes | None = None,
    ) -> Tensor:
        """Hidden states of T positions, which follow those in the cache; the mask covers cached and new keys.

        ``positions`` int64 [B, T] count within the document, so that padding on the left changes nothing.
        """
        if cache is None:
            rotary = rotation(positions, self.frequencies(positions.device), embeddings.dtype)
        else:
            rotary = self._rotary(positions, cache.length, embeddings.dtype, self.frequencies)
        x = self.run(embeddings, rotary, mask, cache, routes)
        norms = [self.norm, *(self.get_submodule(name).norm for name in self.config.routes)]
        one = 0 if routes is None else routes.one
        return by_set(routes, norms if one is None else [norms[one]], x)

    def block(self, index: int) -> Block:
        """Make a layer, counted from 0."""
        return Block(self.config)

    def run(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Mask,
        cache: KVCache | None,
        routes: Routes | None,
    ) -> Tensor:
        """Hidden states [B, T, H] after all layers, before the final norm."""
        return run_blocks(self.layers, x, rotation, mask, cache, routes)

    def blocks(self) -> tuple[nn.Module, ...]:
        """The layers, from the first to the last."""
        return tuple(self.layers)

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]; where they are scaled, the scale is rounded to the weights' type."""
        embeddings = self.embed_tokens(ids)
        if not self.config.variant.scaled_embeddings:
            return embeddings
        return embeddings * torch.tensor(self.config.width**0.5, dtype=self.embed_tokens.weight.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        return linear(hidden, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(hidden)

    def frequencies(self, device: torch.device) -> Tensor:
        """Frequencies of the rotary positions, float32 [head width / 2]."""
        frequency = frequencies(self.config.hidden().head_width, self.config.rope_theta, device)
        stretch = self.config.stretch
        return frequency if stretch is None else stretched(frequency, stretch)
