"""The codebook: vectors to the nearest codes on the unit sphere, and the losses that teach it.

R vectors    D code width    V vocabulary
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from ..convolutional.codebook import Codebook, wide

TEMPERATURE = 0.01
"""Of the softmax over distances in the entropy loss, as LlamaGen has it."""


class Quantizer(Codebook):
    """A codebook whose vectors, like those that are quantised, count by their directions alone."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> the nearest codes int64 [R]."""
        return super().forward(normalize(wide(vectors.detach()), dim=-1))

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
        for some in self.chunks(vectors):
            entropies, chosen = checkpoint(_choices, some, book, use_reentrant=False)
            single, mean = single + entropies, mean + chosen
        mean = mean / len(vectors)
        return single / len(vectors) + (mean * (mean + 1e-5).log()).sum()


def _choices(vectors: Tensor, book: Tensor) -> tuple[Tensor, Tensor]:
    """Summed entropy of the vectors' soft choices, and the summed choices [V]."""
    logits = vectors @ book.T * (2 / TEMPERATURE)
    log = logits.log_softmax(dim=-1)
    chosen = log.exp()
    return -(chosen * log).sum(), chosen.sum(dim=0)
