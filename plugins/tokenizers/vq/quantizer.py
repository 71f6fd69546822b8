"""The codebook: vectors to the nearest codes on the unit sphere, and the losses that teach it.

R vectors    D code width    V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

CHUNK = 1 << 24
"""Distances that are held at once: 64 MiB, where all of R × V can be gigabytes."""

FLOOR = 1e-6
"""A squared distance that every vector has at least when codes are re-seeded, so that there is always one to choose."""

TEMPERATURE = 0.01
"""Of the softmax over distances in the entropy loss, as LlamaGen has it."""


class Quantizer(nn.Module):
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
        """Vectors [R, D] -> the nearest codes int64 [R]."""
        vectors, book = normalize(vectors.detach().float(), dim=-1), self.book().detach().float()
        square = book.square().sum(dim=-1)
        # ‖v − c‖² without ‖v‖², which is the same for every code of a vector.
        return torch.cat([torch.addmm(square, some, book.T, alpha=-2).argmin(dim=-1) for some in self._chunks(vectors)])

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their normalised vectors [..., D]."""
        return normalize(self.embedding(codes), dim=-1)

    def book(self) -> Tensor:
        """All normalised vectors [V, D]."""
        return normalize(self.embedding.weight, dim=-1)

    def entropy(self, vectors: Tensor) -> Tensor:
        """Mean entropy of single choices minus the entropy of the mean choice, in nats; vectors [R, D] are normalised.

        Low where each vector is sure of its code and all codes are used (arXiv:2310.05737). Chunks are computed again
        in the backward pass, so that R × V values never exist at once.
        """
        book = self.book()
        single = vectors.new_zeros(())
        mean = vectors.new_zeros(len(book))
        for some in self._chunks(vectors):
            entropies, chosen = checkpoint(_choices, some, book, use_reentrant=False)
            single, mean = single + entropies, mean + chosen
        mean = mean / len(vectors)
        return single / len(vectors) + (mean * (mean + 1e-5).log()).sum()

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

    def _chunks(self, vectors: Tensor) -> Iterator[Tensor]:
        return iter(vectors.split(max(1, CHUNK // self.embedding.num_embeddings)))


def _choices(vectors: Tensor, book: Tensor) -> tuple[Tensor, Tensor]:
    """Summed entropy of the vectors' soft choices, and the summed choices [V]."""
    logits = vectors @ book.T * (2 / TEMPERATURE)
    log = logits.log_softmax(dim=-1)
    chosen = log.exp()
    return -(chosen * log).sum(), chosen.sum(dim=0)
