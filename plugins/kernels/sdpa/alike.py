"""Runs of about one length side by side: few calls of many sequences, where one call for each would be many of one.

A causal run over nothing but itself is padded at its end, where none of its queries looks; other runs lie together
only where they are as long. N padded positions in all groups    Q positions of all runs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from janiform import Runs
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Group:
    """``number`` runs of so many ``queries`` and ``keys`` each, in the order of the groups' positions."""

    number: int
    queries: int
    keys: int


@dataclass(frozen=True, slots=True)
class Moves:
    """From runs end to end to groups and back: ``there`` int64 [N], ``back`` int64 [Q], ``padding`` bool [N, 1, 1].

    ``padding`` is None where there is none; then ``back`` undoes ``there``.
    """

    there: Tensor
    back: Tensor
    padding: Tensor | None


@dataclass(frozen=True, slots=True)
class Alike:
    """The groups of the runs of one kind, and how their queries and keys get there."""

    causal: bool
    groups: tuple[Group, ...]
    queries: Moves
    keys: Moves

    @property
    def pairs(self) -> int:
        """Pairs of a query and a key that are computed."""
        return sum(group.number * group.queries * group.keys for group in self.groups)


def alike(runs: Runs, spare: int) -> Alike:
    """Group runs of one kind so that padding adds at most ``spare`` pairs of positions to every group."""
    lengths = list(zip(runs.query_lengths, runs.key_lengths, strict=True))
    groups: list[list[int]] = []
    for (queries, keys), same in groupby(
        sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True), lengths.__getitem__
    ):
        members = list(same)
        if groups:
            wide, deep = lengths[groups[-1][0]]
            padded = [lengths[run] for run in (*groups[-1], *members)]
            pads = runs.causal and queries == keys and wide == deep
            if pads and sum(wide * deep - one * other for one, other in padded) <= spare:
                groups[-1] += members
                continue
        groups.append(members)
    shapes = tuple(Group(len(group), *lengths[group[0]]) for group in groups)
    order = [run for group in groups for run in group]
    queries = _moves(runs.query_lengths, order, [group.queries for group in shapes for _ in range(group.number)])
    together = runs.query_lengths == runs.key_lengths
    keys = (
        queries
        if together
        else _moves(runs.key_lengths, order, [group.keys for group in shapes for _ in range(group.number)])
    )
    return Alike(runs.causal, shapes, queries, keys)


def _moves(lengths: Sequence[int], order: Sequence[int], padded: Sequence[int]) -> Moves:
    own = torch.tensor([lengths[run] for run in order])
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.tensor(lengths).cumsum(0)[:-1]])[torch.tensor(order)]
    wide = torch.tensor(padded)
    # Position i of a padded run is the run's own position i, and its last one where it has no more.
    inside = torch.arange(int(wide.sum())) - (wide.cumsum(0) - wide).repeat_interleave(wide)
    last = (own - 1).repeat_interleave(wide)
    there = starts.repeat_interleave(wide) + torch.minimum(inside, last)
    padding = inside > last
    back = torch.empty(sum(lengths), dtype=torch.int64)
    back[there[~padding]] = torch.nonzero(~padding)[:, 0]
    return Moves(there, back, padding[:, None, None] if bool(padding.any()) else None)


def to_groups(flat: Tensor, moves: Moves) -> Tensor:
    """[Q, heads, Dh] -> [N, heads, Dh]. Nothing flows back from padding, since no query that counts sees it."""
    moved: Tensor = _Gather.apply(flat, moves.there, moves.back, None)  # type: ignore[no-untyped-call]
    return moved


def from_groups(grouped: Tensor, moves: Moves) -> Tensor:
    """[N, heads, Dh] -> [Q, heads, Dh], without padding."""
    moved: Tensor = _Gather.apply(grouped, moves.back, moves.there, moves.padding)  # type: ignore[no-untyped-call]
    return moved


class _Gather(torch.autograd.Function):
    """Reads rows, and backward reads them by the opposite index, but for zeros where ``padding`` is.

    What PyTorch does backward, adding row by row, takes longer than the attention.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, there: Tensor, back: Tensor, padding: Tensor | None) -> Tensor:
        ctx.back, ctx.padding = back, padding
        return rows.index_select(0, there)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        returned = grad.index_select(0, ctx.back)
        if ctx.padding is not None:
            returned.masked_fill_(ctx.padding, 0.0)
        return returned, None, None, None
