"""Codes embedded by the backbone's text table. B pictures    N codes of a picture    H hidden width"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from janiform import Codes, Corrupted, Hidden
from torch import Tensor, nn

from .config import SharedEmbeddingConfig

if TYPE_CHECKING:
    from janiform import Backbone


class SharedEmbedding(nn.Module):
    """Codes int64 [B, N, 1] -> vectors [B, N, H], rows of the backbone's text table; of the mask token where hidden."""

    _backbone: Backbone
    given: Tensor

    def __init__(self, config: SharedEmbeddingConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        self.first = config.rows(hidden, codes).start
        self.vocabulary = codes.vocabulary
        self.mask = config.mask
        self.register_buffer("given", torch.tensor(config.given, dtype=torch.int64), persistent=False)

    def borrow(self, backbone: Backbone) -> None:
        # Not as a submodule, since the weights belong to the backbone.
        object.__setattr__(self, "_backbone", backbone)

    def forward(self, codes: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        ids = codes[..., 0] + self.first
        if len(self.given):
            further = (codes[..., 0] - self.vocabulary).clamp(min=0)
            ids = torch.where(codes[..., 0] < self.vocabulary, ids, self.given[further])
        if self.mask is not None and corrupted is not None and corrupted.hidden is not None:
            ids = ids.masked_fill(corrupted.hidden, self.mask)
        return self._backbone.embed(ids)
