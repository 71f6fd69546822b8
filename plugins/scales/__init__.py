"""Codes of several scales: their parts, their sums, and how vectors pass from one grid to another (arXiv:2404.02905).

B pictures    n places of one or several scales    D width of a code's vector    d depth of a code
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from janiform import Grid
from torch import Tensor
from torch.nn.functional import interpolate


def parted(codes: Tensor, scales: Sequence[Grid]) -> list[Tensor]:
    """Codes [B, n, d] of the first scales, from coarse to fine, as one tensor per scale.

    Raises ``ValueError`` where they do not end with a scale.
    """
    lengths, places = [], 0
    for scale in scales:
        if places == codes.shape[1]:
            break
        lengths.append(scale.size)
        places += scale.size
    if places != codes.shape[1]:
        raise ValueError(f"{codes.shape[1]} codes are not those of whole scales ({', '.join(map(str, scales))})")
    return list(codes.split(lengths, dim=1))


def resized(vectors: Tensor, source: Grid, target: Grid, mode: Literal["area", "bicubic"]) -> Tensor:
    """Vectors [B, n, D] of one grid on another: means of areas, as downwards, or bicubic, as upwards."""
    if source == target:
        return vectors
    places = vectors.transpose(1, 2).unflatten(2, (source.height, source.width))
    return interpolate(places, (target.height, target.width), mode=mode).flatten(2).transpose(1, 2)


def total(vectors: Sequence[Tensor], scales: Sequence[Grid]) -> Tensor:
    """The sum of the vectors [B, n, D] of the first scales on the last grid, [B, N, D]."""
    first, *others = (resized(some, scale, scales[-1], "bicubic") for some, scale in zip(vectors, scales, strict=False))
    for other in others:
        first = first + other
    return first
