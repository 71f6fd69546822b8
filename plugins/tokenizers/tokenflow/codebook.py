"""Two codebooks with one index: a code has a vector for the meaning and one for the pixels, both of length one.

R vectors    S, P widths of both parts    D = S + P    V vocabulary
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..codebook import CHUNK, wide


class DualCodebook(nn.Module):
    """Vectors [R, S + P] -> the codes [R] whose two vectors are nearest together."""

    def __init__(self, vocabulary: int, semantic: int, pixel: int, pixel_weight: float) -> None:
        super().__init__()
        self.parts, self.pixel_weight = (semantic, pixel), pixel_weight
        self.semantic = nn.Embedding(vocabulary, semantic)
        self.pixel = nn.Embedding(vocabulary, pixel)
        for table in (self.semantic, self.pixel):
            nn.init.uniform_(table.weight, -1 / vocabulary, 1 / vocabulary)

    def forward(self, vectors: Tensor) -> Tensor:
        """The code with the smallest ‖z_s − e_s‖² + w·‖z_p − e_p‖² of normalised parts, int64 [R]."""
        # All parts have length one, so that the nearest is the one with the largest product.
        parts = self.normalised(wide(vectors.detach())).split(self.parts, dim=-1)
        weighted = torch.cat((parts[0], self.pixel_weight * parts[1]), dim=-1)
        book = wide(torch.cat((_unit(self.semantic.weight.detach()), _unit(self.pixel.weight.detach())), dim=-1))
        chunks = weighted.split(max(1, CHUNK // len(book)))
        return torch.cat([(chunk @ book.T).argmax(dim=-1) for chunk in chunks])

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors [..., D], that for the meaning before that for the pixels."""
        return torch.cat((_unit(self.semantic(codes)), _unit(self.pixel(codes))), dim=-1)

    def normalised(self, vectors: Tensor) -> Tensor:
        """Vectors [..., D] whose parts have length one."""
        return torch.cat([_unit(part) for part in vectors.split(self.parts, dim=-1)], dim=-1)


def _unit(vectors: Tensor) -> Tensor:
    return normalize(vectors, dim=-1)
