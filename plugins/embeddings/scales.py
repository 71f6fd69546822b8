"""Codes of several scales, embedded for their prediction: the places of a scale read the sum of all coarser ones.

B pictures    n places of the first scales    K scales    D width of a code's vector    H hidden width
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from janiform import Codes, Corrupted, Hidden
from janiform_plugins.scales import parted, resized, total
from janiform_plugins.sinusoidal import sinusoidal_positions
from torch import Tensor, nn

from .config import ScalesConfig

if TYPE_CHECKING:
    from janiform import Backbone, Tokenizer


class ScalesEmbedding(nn.Module):
    """Codes int64 [B, n, d] of all scales or of the first ones -> vectors [B, n, H]; see ``janiform.Embedding``.

    ``levels`` [K, H] and ``positions`` [N, H] are added to those of each scale and place, ``start`` [H] stands at the
    first scale. Vectors of codes are the tokenizer's, which are not trained through the embedding.
    """

    _tokenizer: Tokenizer
    _backbone: Backbone

    def __init__(self, config: ScalesConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        width = config.embed(codes, hidden).width
        self.config, self.scales = config, codes.scales
        layers: list[nn.Module] = [nn.Linear(codes.width, width)]
        for _ in range(config.layers - 1):
            layers += [nn.GELU(), nn.Linear(width, width)]
        self.layers = nn.Sequential(*layers)
        small = (3 * width) ** -0.5  # as in VAR
        self.start = nn.Parameter(torch.randn(width) * small) if config.start is None else None
        self.levels = nn.Parameter(torch.randn(len(codes.scales), width) * small) if config.levels else None
        self.positions = None
        if config.positions == "learned":
            self.positions = nn.Parameter(torch.randn(codes.tokens, width) * small)
        elif config.positions == "waves":
            waves = [sinusoidal_positions(scale, width, codes.grid)[0] for scale in codes.scales]
            self.positions = nn.Parameter(torch.cat(waves))

    def borrow(self, part: Tokenizer | Backbone) -> None:
        # Not as a submodule, since the weights belong to the other part.
        object.__setattr__(self, "_tokenizer" if hasattr(part, "vectors") else "_backbone", part)

    def forward(self, codes: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        parts = parted(codes, self.scales)
        begin = self._start().expand(len(codes), self.scales[0].size, -1)
        sums = self._before(parts[:-1])
        vectors = torch.cat((begin, self._mapped(torch.cat(sums, dim=1)).to(begin.dtype)), dim=1) if sums else begin
        return self._placed(vectors, 0, len(parts))

    def again(self, codes: Tensor) -> Tensor:
        """The vectors [B, m, H] of the last of these scales, made of the sum that has its own codes as well."""
        parts = parted(codes, self.scales)
        last = self.scales[len(parts) - 1]
        with torch.no_grad():
            if self.config.resize == "full":
                vectors = self._mapped(resized(self._total(parts), self.scales[-1], last, "area"))
            else:
                sums, own = self._before(parts[:-1]), self._vectors(parts[-1])
                vectors = self._mapped(sums[-1] + own if sums else own)
        return self._placed(vectors, len(parts) - 1, len(parts))

    def _start(self) -> Tensor:
        if self.start is not None:
            return self.start
        ids = torch.full((1, 1), self.config.start, device=self.layers[0].weight.device)
        return self._backbone.embed(ids)[0, 0]

    def _placed(self, vectors: Tensor, first: int, stop: int) -> Tensor:
        """The vectors of the scales from ``first`` to before ``stop`` with those of their scales and places."""
        sizes = [scale.size for scale in self.scales]
        if self.levels is not None:
            each = [self.levels[number].expand(sizes[number], -1) for number in range(first, stop)]
            vectors = vectors + torch.cat(each)
        if self.positions is not None:
            vectors = vectors + self.positions[sum(sizes[:first]) : sum(sizes[:stop])]
        return vectors

    def _before(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """The sums that the second and later scales read, [B, m, D] each, one for each scale of codes before them."""
        sums: list[Tensor] = []
        with torch.no_grad():
            for number, part in enumerate(parts):
                scale, following = self.scales[number : number + 2]
                if self.config.resize == "full":
                    sums.append(resized(self._total(parts[: number + 1]), self.scales[-1], following, "area"))
                    continue
                own = self._vectors(part)
                sums.append(resized(sums[-1] + own if sums else own, scale, following, "bicubic"))
        return sums

    def _total(self, parts: Sequence[Tensor]) -> Tensor:
        return total([self._vectors(part) for part in parts], self.scales)

    def _vectors(self, codes: Tensor) -> Tensor:
        vectors = self._tokenizer.vectors(codes)
        return vectors.to(torch.promote_types(vectors.dtype, torch.float32))

    def _mapped(self, sums: Tensor) -> Tensor:
        return self.layers(sums.to(self.layers[0].weight.dtype))
