"""Sequences as tensors: rows with padding, or packed with several documents, and which of their content has a loss.

Dimension letters: B rows, T positions, n pictures of a pathway, N tokens of a picture, d depth of a code, R targets.
Flat positions index the B·T positions of the batch row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from attrs import evolve, field, frozen
from torch import Tensor

from .corruption import Corrupted, Corruption
from .mask import UNSEEN, Declared, Mask
from .packing import rows_of
from .routes import Routes
from .spans import Sequence, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..attention.attend import Attention

Side = Literal["left", "right"]


@frozen(eq=False)
class Pictures:
    """The pictures of one pathway: ``pixels`` [n, 3, h, w], or ``drawn``: codes [n, N, d] or latents [n, N, C]."""

    pixels: Tensor | None
    drawn: Tensor | None
    positions: Tensor
    """Flat positions [n, N'] of their tokens, those before the places of a picture included."""
    corrupted: Corrupted | None = None
    """How they are corrupted; None where the pathway draws place by place, or nothing of them is."""


@frozen(eq=False)
class Batch:
    """Sequences laid out in B rows of T positions, int64.

    ``positions`` count from 0 in every document; ``documents`` number the documents of a row, -1 on padding;
    ``blocks`` are 0 where attention is causal, else the number of the block whose positions see one another.
    ``pictures`` are keyed by pathway. ``text``: flat positions [R] of the text tokens with a loss, by the name of the
    loss. ``codes``: indices [m] of the pictures whose codes or latents have a loss, among those of their pathway. Which
    states predict them is up to the objective. ``seen``: which later positions see each, as in ``Mask``; None where all
    do. ``in_place``: flat positions and the ids that the states at these very positions predict, int64 [2, R], by the
    name of the loss. ``routes``: the backbone's set of weights of each; None where it has one. ``host``: what the mask
    declares, as it was on the CPU, where the batch was moved from there: what a mask can be compiled from without
    waiting.
    """

    ids: Tensor
    positions: Tensor
    documents: Tensor
    blocks: Tensor
    pictures: dict[str, Pictures]
    text: dict[str, Tensor]
    codes: dict[str, Tensor]
    host: Declared | None = None
    seen: Tensor | None = None
    routes: Routes | None = None
    in_place: dict[str, Tensor] = field(factory=dict)

    @property
    def declared(self) -> Declared:
        """What the mask declares."""
        return Declared(self.documents, self.blocks, self.seen)

    def mask(self, attention: Attention | None = None) -> Mask:
        """Who may look at whom in this batch, computed by a kernel; None is the default one."""
        return Mask(self.documents, self.blocks, seen=self.seen, attention=attention, host=self.host)

    def to(self, device: str | torch.device, non_blocking: bool = False) -> Batch:
        """The batch with all its tensors on the device."""
        return self.mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, from which it can be copied while a GPU computes."""
        return self.mapped(Tensor.pin_memory)

    def mapped(self, move: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with something else for each of its tensors."""

        def perhaps(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else move(tensor)

        def corrupted(some: Corrupted | None) -> Corrupted | None:
            if some is None:
                return None
            times, hidden, places = perhaps(some.times), perhaps(some.hidden), perhaps(some.places)
            return evolve(some, times=times, hidden=hidden, places=places)

        return Batch(
            move(self.ids),
            move(self.positions),
            move(self.documents),
            move(self.blocks),
            {
                name: Pictures(
                    perhaps(some.pixels), perhaps(some.drawn), move(some.positions), corrupted(some.corrupted)
                )
                for name, some in self.pictures.items()
            },
            {name: move(positions) for name, positions in self.text.items()},
            {name: move(indices) for name, indices in self.codes.items()},
            self.declared if self.documents.device.type == "cpu" else self.host,
            perhaps(self.seen),
            None if self.routes is None else self.routes.mapped(move),
            {name: move(targets) for name, targets in self.in_place.items()},
        )

    @property
    def tokens(self) -> int:
        """Positions that are not padding."""
        return int((self.documents >= 0).sum())


def collate(
    sequences: SequenceOf[Sequence],
    side: Side = "right",
    *,
    pad: int = 0,
    routes: Mapping[str, int] | None = None,
    sets: int = 1,
) -> Batch:
    """One sequence a row, padded on ``side`` with the id ``pad`` to the longest. Generation wants "left".

    ``routes``: the number of the backbone's set of weights by pathway, where it has several ``sets``.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side is 'left' or 'right', not {side!r}")
    return _assemble([[sequence] for sequence in sequences], side, pad, routes, sets)


def pack(
    sequences: SequenceOf[Sequence],
    length: int,
    *,
    pad: int = 0,
    routes: Mapping[str, int] | None = None,
    sets: int = 1,
) -> Batch:
    """Several sequences a row of ``length`` positions, or where that leaves padding up to twice as many; see
    ``packing.rows_of`` for which.

    Rows are as long as the fullest. Raises ``JaniformError`` where one sequence is longer than ``length``.
    """
    rows = rows_of([len(sequence) for sequence in sequences], length)
    return _assemble([[sequences[index] for index in row] for row in rows], "right", pad, routes, sets)


def _assemble(
    rows: list[list[Sequence]], side: Side, pad: int, routes: Mapping[str, int] | None = None, sets: int = 1
) -> Batch:
    if not rows or not all(len(sequence) for row in rows for sequence in row):
        raise ValueError("a batch needs at least one sequence, and no sequence may be empty")
    lengths = [sum(map(len, row)) for row in rows]
    shape = (len(rows), max(lengths))
    ids, positions, blocks = np.full(shape, pad), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    documents, seen, numbers = np.full(shape, -1), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    marks = _Marks()
    for r, row in enumerate(rows):
        start = shape[1] - lengths[r] if side == "left" else 0
        full, block = 0, 0
        for number, sequence in enumerate(row):
            stop = start + len(sequence)
            ids[r, start:stop] = sequence.ids
            positions[r, start:stop] = sequence.positions
            documents[r, start:stop] = number
            offset, block = start, 0
            for span in sequence.spans:
                end = offset + span.length
                # Spans that follow each other with one number are one block; numbers are those of the row.
                full += span.full and not (span.block and span.block == block)
                block = 0 if span.block_lengths else span.block
                if span.full:
                    own = _numbers(span, full)
                    blocks[r, offset:end] = own
                    full += max(0, len(span.block_lengths) - 1)
                if span.seen_by != "later":
                    seen[r, offset:end] = own if span.seen_by == "block" and span.full else UNSEEN
                if span.unread is not None:
                    seen[r, offset:end][span.unread] = UNSEEN
                if routes and span.pathway is not None:
                    numbers[r, offset:end] = routes.get(span.pathway, 0)
                marks.add(span, r * shape[1] + offset, loss=sequence.pathway or "text")
                offset = end
            start = stop
    pictures, text, codes, in_place = marks.finished()
    return Batch(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        documents=torch.from_numpy(documents),
        blocks=torch.from_numpy(blocks),
        pictures=pictures,
        text=text,
        codes=codes,
        seen=torch.from_numpy(seen) if seen.any() else None,
        routes=Routes.of(torch.from_numpy(numbers), sets) if sets > 1 else None,
        in_place=in_place,
    )


def _numbers(span: Span, first: int) -> NDArray[np.int64]:
    """The numbers of the full blocks of a span's positions, of which the first block has the number ``first``."""
    lengths = span.block_lengths or (span.length,)
    if sum(lengths) != span.length:
        raise ValueError(f"a span of {span.length} positions cannot have blocks of {lengths}")
    return np.repeat(np.arange(first, first + len(lengths)), lengths)


class _Marks:
    """Gathers pictures, and what has a loss, span by span, at flat positions."""

    def __init__(self) -> None:
        self.pictures: dict[str, list[tuple[Span, int]]] = {}
        self.text: dict[str, list[int]] = {}
        self.codes: dict[str, list[int]] = {}
        self.in_place: dict[str, list[tuple[int, int]]] = {}

    def add(self, span: Span, start: int, *, loss: str) -> None:
        if span.kind == "text":
            if span.loss and span.targets:
                pairs = ((start + offset, target) for offset, target in enumerate(span.targets) if target >= 0)
                self.in_place.setdefault(span.loss_name or loss, []).extend(pairs)
            elif span.loss:
                self.text.setdefault(loss, []).extend(range(start, start + span.length))
            return
        if span.pathway is None or not isinstance(span.picture, Tensor):
            raise ValueError(f"a span to {span.kind} needs its pathway and its picture's pixels or codes as a tensor")
        pictures = self.pictures.setdefault(span.pathway, [])
        if span.kind == "draw" and span.loss:
            self.codes.setdefault(span.pathway, []).append(len(pictures))
        pictures.append((span, start))

    def finished(self) -> tuple[dict[str, Pictures], dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        return (
            {name: _stacked(name, entries) for name, entries in self.pictures.items()},
            {name: torch.tensor(positions) for name, positions in self.text.items() if positions},
            {name: torch.tensor(indices) for name, indices in self.codes.items()},
            {name: torch.tensor(pairs).T.contiguous() for name, pairs in self.in_place.items() if pairs},
        )


def _stacked(pathway: str, entries: list[tuple[Span, int]]) -> Pictures:
    spans = [span for span, _ in entries]
    tensors = [cast(Tensor, span.picture) for span in spans]
    encoded = {tensor.dim() == 2 for tensor in tensors}
    if len(encoded) > 1:
        raise ValueError(f"the pictures of '{pathway}' are pixels or codes, not both in one batch")
    positions = torch.tensor([start for _, start in entries])[:, None] + torch.arange(spans[0].length)
    stacked, corrupted = torch.stack(tensors), _corrupted([span.corruption for span in spans])
    if encoded.pop():
        return Pictures(None, stacked, positions, corrupted)
    return Pictures(stacked, None, positions, corrupted)


def _corrupted(corruptions: list[Corruption | None]) -> Corrupted | None:
    """The corruptions of pictures as tensors; None where none has any."""
    given = [some for some in corruptions if some is not None]
    if not given:
        return None
    if len(given) < len(corruptions):
        raise ValueError("either all pictures of a pathway have a corruption, or none of a batch has")
    times = [some.time for some in given if some.time is not None]
    hidden = [some.hidden for some in given if some.hidden is not None]
    stacked = torch.from_numpy(np.stack(hidden)) if hidden else None
    return Corrupted(
        torch.tensor(times) if times else None,
        stacked,
        torch.tensor([some.seed for some in given]),
        None if stacked is None else stacked.flatten().nonzero().flatten(),
    )
