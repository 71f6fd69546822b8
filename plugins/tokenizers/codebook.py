"""A learned codebook: vectors to the nearest codes and back, and re-seeding of unused codes.

R vectors    D code width    V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

CHUNK = 1 << 24
"""Distances held at once, 64 MiB; all R × V can take gigabytes."""

FLOOR = 1e-6
"""Minimum squared distance of a vector when codes are re-seeded, so that the probabilities are never all zero."""


class Codebook(nn.Module):
    """Vectors [V, D] of codes; after ``reseed`` steps without use one moves to a vector of the batch (0: never)."""

    idle: Tensor

    def __init__(self, vocabulary: int, width: int, reseed: int = 0) -> None:
        super().__init__()
        self.reseed = reseed
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.uniform_(self.embedding.weight, -1 / vocabulary, 1 / vocabulary)
        if reseed:
            # All codes start as unused, so that the first batch seeds the codebook.
            self.register_buffer("idle", torch.full((vocabulary,), reseed))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> the nearest codes int64 [R], in float32 at least."""
        vectors, book = wide(vectors.detach()), wide(self.book().detach())
        square = book.square().sum(dim=-1)
        # ‖v − c‖² without ‖v‖², which is the same for every code.
        nearest = [torch.addmm(square, chunk, book.T, alpha=-2).argmin(dim=-1) for chunk in self.chunks(vectors)]
        return torch.cat(nearest)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors [..., D]."""
        return self.embedding(codes)

    def book(self) -> Tensor:
        """All vectors [V, D]."""
        return self.embedding.weight

    @torch.no_grad()
    def revive(self, vectors: Tensor) -> None:
        """Move codes that have been idle for too long to some of the vectors [R, D].

        The probability of a vector grows with the distance to its nearest code (k-means++): most positions of a picture
        are alike, and codes are needed for the others. Call it before the codes of a training step are looked up, since
        it writes to the codebook.
        """
        idle = self.idle >= self.reseed
        distances_R = (vectors - self.look_up(self(vectors))).square().sum(dim=-1) + FLOOR
        chosen = torch.multinomial(distances_R, len(idle), replacement=True)
        weight = self.embedding.weight
        weight.copy_(torch.where(idle[:, None], vectors[chosen].to(weight.dtype), weight))
        self.idle.masked_fill_(idle, 0)

    @torch.no_grad()
    def count(self, codes: Tensor) -> None:
        """Count one training step that used the codes [R]."""
        self.idle.add_(1).index_fill_(0, codes, 0)

    def chunks(self, vectors: Tensor) -> Iterator[Tensor]:
        """The vectors [R, D] in chunks whose distances to all codes fit into memory."""
        return iter(vectors.split(max(1, CHUNK // self.embedding.num_embeddings)))


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least, so that neighbouring codes stay distinct."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
