"""A learned codebook: vectors to the nearest codes and back, and the re-seeding of codes that are not used.

R vectors    D code width    V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

CHUNK = 1 << 24
"""Distances that are held at once: 64 MiB, where all of R × V can be gigabytes."""

FLOOR = 1e-6
"""A squared distance that every vector has at least when codes are re-seeded, so that there is always one to choose."""


class Codebook(nn.Module):
    """``reseed``: training steps without use after which a code moves to a vector of the batch; 0 is never."""

    idle: Tensor

    def __init__(self, vocabulary: int, width: int, reseed: int = 0) -> None:
        super().__init__()
        self.reseed = reseed
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.uniform_(self.embedding.weight, -1 / vocabulary, 1 / vocabulary)
        if reseed:
            # Every code begins as long unused: the first batch seeds the codebook.
            self.register_buffer("idle", torch.full((vocabulary,), reseed))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> the nearest codes int64 [R], in float32 at least."""
        vectors, book = (wide(some.detach()) for some in (vectors, self.book()))
        square = book.square().sum(dim=-1)
        # ‖v − c‖² without ‖v‖², which is the same for every code of a vector.
        return torch.cat([torch.addmm(square, some, book.T, alpha=-2).argmin(dim=-1) for some in self.chunks(vectors)])

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors [..., D]."""
        return self.embedding(codes)

    def book(self) -> Tensor:
        """All vectors [V, D]."""
        return self.embedding.weight

    @torch.no_grad()
    def revive(self, vectors: Tensor) -> None:
        """Moves the codes that have been idle for too long to some of the vectors [R, D].

        A vector is chosen the more often the further its nearest code is (k-means++): most places of a picture are much
        alike, and codes are wanted where they are not. To be called before the codes of a training step are looked up,
        since it writes to the codebook.
        """
        dead = self.idle >= self.reseed
        far_R = (vectors - self.look_up(self(vectors))).square().sum(dim=-1) + FLOOR
        chosen = torch.multinomial(far_R, len(dead), replacement=True)
        weight = self.embedding.weight
        weight.copy_(torch.where(dead[:, None], vectors[chosen].to(weight.dtype), weight))
        self.idle.masked_fill_(dead, 0)

    @torch.no_grad()
    def count(self, codes: Tensor) -> None:
        """Counts one training step, in which the codes [R] were used."""
        self.idle.add_(1).index_fill_(0, codes, 0)

    def chunks(self, vectors: Tensor) -> Iterator[Tensor]:
        """The vectors [R, D] in pieces whose distances to all codes can be held at once."""
        return iter(vectors.split(max(1, CHUNK // self.embedding.num_embeddings)))


def wide(tensor: Tensor) -> Tensor:
    """In float32 at least, in which neighbouring codes are told apart."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
