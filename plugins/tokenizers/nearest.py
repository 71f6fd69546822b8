"""Vectors quantised to the nearest codes of a learned codebook, with the losses that train both sides.

B pictures    N codes of one picture    D code width
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from .codebook import Codebook
from .quantized import Quantized


class CodebookLosses(Protocol):
    """What a tokenizer's config says about the losses of its codebook."""

    @property
    def codebook(self) -> float:
        """Weight of the loss that moves codes towards vectors."""

    @property
    def commitment(self) -> float:
        """Weight of the loss that moves vectors towards codes."""


def quantize_to_nearest(book: Codebook, vectors: Tensor, weights: CodebookLosses) -> Quantized:
    """Quantise vectors [B, N, D] for training. In training mode, unused codes of a book with ``reseed`` move first."""
    reseed = bool(book.reseed) and book.training
    if reseed:
        book.revive(vectors.flatten(0, 1))
    codes_BN = book(vectors.flatten(0, 1)).view(vectors.shape[:2])
    chosen_BND = book.look_up(codes_BN)
    losses = {
        "codebook": (weights.codebook, (chosen_BND - vectors.detach()).square().mean()),
        "commitment": (weights.commitment, (chosen_BND.detach() - vectors).square().mean()),
    }
    if reseed:
        book.count(codes_BN.flatten())
    return Quantized(codes_BN, vectors + (chosen_BND - vectors).detach(), losses)
