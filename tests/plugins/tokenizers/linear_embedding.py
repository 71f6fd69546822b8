"""An embedding of latents for models in tests: one matrix."""

from __future__ import annotations

from attrs import frozen
from janiform import Features, Hidden, Latents
from torch import Tensor, nn


@frozen(kw_only=True)
class LinearConfig:
    def embed(self, drawn: Latents, hidden: Hidden) -> Features:
        return Features(drawn.tokens, 8, drawn.grid)


class LinearEmbedding(nn.Module):
    def __init__(self, config: LinearConfig, drawn: Latents, hidden: Hidden) -> None:
        super().__init__()
        self.matrix = nn.Linear(drawn.width, 8)

    def forward(self, drawn: Tensor, first: int = 0) -> Tensor:
        return self.matrix(drawn)
