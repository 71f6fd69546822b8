"""What a batch holds, in the units that its arithmetic is counted in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import field, frozen

from ..sequence.batch import Batch


@frozen
class Amounts:
    """What some rows hold.

    ``positions``: of all rows, padding included; ``tokens``: without it. ``pairs``: of a position and a key that it
    sees. ``words``: text to predict. ``pictures``: that are put in, by pathway; ``drawn``: to predict.
    """

    positions: int
    tokens: int
    pairs: int
    words: int
    pictures: Mapping[str, int] = field(factory=dict)
    drawn: Mapping[str, int] = field(factory=dict)


def amounts_of(batch: Batch) -> Amounts:
    """What a batch on the CPU holds; a document's positions see it up to themselves, full blocks see themselves."""
    there = batch.documents >= 0
    return Amounts(
        positions=batch.documents.numel(),
        tokens=int(there.sum()),
        pairs=_pairs(batch.documents, there, with_itself=True)
        + _pairs(batch.blocks, batch.blocks > 0, with_itself=False),
        words=sum(map(len, batch.text.values())),
        pictures={name: len(pictures.positions) for name, pictures in batch.pictures.items()},
        drawn={name: len(indices) for name, indices in batch.codes.items()},
    )


def _pairs(numbers: torch.Tensor, there: torch.Tensor, *, with_itself: bool) -> int:
    """Pairs of positions of one row that have the same number, each pair once."""
    if not bool(there.any()):
        return 0
    most = int(numbers.max()) + 1
    rows = torch.arange(len(numbers))[:, None]
    lengths = torch.bincount((numbers + rows * most)[there])
    return int((lengths * (lengths + (1 if with_itself else -1))).sum()) // 2
