"""The content of a batch, in the units that its arithmetic is counted in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import field, frozen

from ..sequence.batch import Batch, Pictures


@frozen
class BatchContent:
    """The content of some rows.

    ``positions``: of all rows, padding included; ``tokens``: without padding. ``pairs``: of a position and a key that
    it attends to. ``predicted_text``: text tokens with a loss. ``pictures``: embedded, by pathway; ``drawn``: with a
    loss. ``predicted``: those that the head predicts, where a picture of which it predicts half of the places counts
    half; by default all that are drawn.
    """

    positions: int
    tokens: int
    pairs: int
    predicted_text: int
    pictures: Mapping[str, int] = field(factory=dict)
    drawn: Mapping[str, int] = field(factory=dict)
    predicted: Mapping[str, float] = field(factory=dict)


def content_of(batch: Batch) -> BatchContent:
    """The content of a batch on the CPU; positions attend to their document up to themselves, and to full blocks."""
    present = batch.documents >= 0
    return BatchContent(
        positions=batch.documents.numel(),
        tokens=int(present.sum()),
        pairs=_pairs(batch.documents, present, with_itself=True)
        + _pairs(batch.blocks, batch.blocks > 0, with_itself=False),
        predicted_text=sum(map(len, batch.text.values())) + sum(ids.shape[1] for ids in batch.in_place.values()),
        pictures={name: len(pictures.positions) for name, pictures in batch.pictures.items()},
        drawn={name: len(indices) for name, indices in batch.codes.items()},
        predicted={name: _predicted(batch.pictures[name], indices) for name, indices in batch.codes.items()},
    )


def _predicted(pictures: Pictures, indices: torch.Tensor) -> float:
    """The pictures with a loss, each by the share of its places that are predicted."""
    if pictures.corrupted is None or pictures.corrupted.hidden is None:
        return len(indices)
    return float(pictures.corrupted.hidden[indices].double().mean(1).sum())


def _pairs(numbers: torch.Tensor, present: torch.Tensor, *, with_itself: bool) -> int:
    """The number of pairs of positions of one row that have the same number, each pair counted once."""
    if not bool(present.any()):
        return 0
    most = int(numbers.max()) + 1
    rows = torch.arange(len(numbers))[:, None]
    lengths = torch.bincount((numbers + rows * most)[present])
    return int((lengths * (lengths + (1 if with_itself else -1))).sum()) // 2
