"""Modules for contrastive training only: a text tower, a caption decoder, and poolers from many vectors to one.

B pictures or captions    N features of a picture    T tokens of a caption    D width    n tokens of all captions
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Tokens(nn.Module):
    """Ids [B, T] to the sum of a learned vector per token and one per position, [B, T, D]."""

    def __init__(self, vocabulary: int, length: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(ids) + self.positions[: ids.shape[1]]
        return vectors


class TextTower(nn.Module):
    """A bidirectional transformer over a caption's tokens; the mean of its states is projected."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int, out: int) -> None:
        super().__init__()
        self.tokens = Tokens(vocabulary, length, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, out)

    def forward(self, ids: Tensor, present: Tensor) -> Tensor:
        """Ids [B, T] and the mask of real tokens [B, T] to vectors [B, D]."""
        states = self.tokens(ids)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~present)
        weights = present.unsqueeze(-1).to(states.dtype)
        pooled = (self.norm(states) * weights).sum(1) / weights.sum(1).clamp(min=1)
        out: Tensor = self.projection(pooled)
        return out


class CaptionDecoder(nn.Module):
    """A transformer that predicts a caption's tokens from those before and from all features of the picture."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int, features: int) -> None:
        super().__init__()
        self.begin = vocabulary
        self.tokens = Tokens(vocabulary + 1, length, width)
        self.features = nn.Linear(features, width)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids: Tensor, positions: Tensor, features: Tensor) -> Tensor:
        """Ids [B, T], flat positions [n] of targets, and features [B, N, D] to the states that predict them [n, D].

        ``head`` turns states into logits.
        """
        states = self.tokens(F.pad(ids[:, :-1], (1, 0), value=self.begin))
        later = nn.Transformer.generate_square_subsequent_mask(ids.shape[1], device=ids.device, dtype=states.dtype)
        memory = self.features(features)
        for layer in self.layers:
            states = layer(states, memory, tgt_mask=later, tgt_is_causal=True)
        chosen: Tensor = self.norm(states.flatten(0, 1)[positions])
        return chosen


class AttentionPool(nn.Module):
    """A learned query over all features, then a residual MLP, as in SigLIP's pooling head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, N, D] to [B, D]."""
        query = self.query.expand(len(features), -1, -1)
        pooled = self.attention(query, features, features, need_weights=False)[0]
        out: Tensor = (pooled + self.mlp(self.norm(pooled)))[:, 0]
        return out


class MeanPool(nn.Module):
    """The mean of all features."""

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, N, D] to [B, D]."""
        return features.mean(1)


def heads_for(width: int) -> int:
    """The number of heads of about 64 channels that divides a width."""
    return max(heads for heads in range(1, max(1, width // 64) + 1) if width % heads == 0)
