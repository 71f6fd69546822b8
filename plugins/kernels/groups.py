"""Runs of similar lengths in groups: few calls with many sequences each, instead of one call per sequence.

A causal run over its own keys alone is padded at its end, which none of its queries sees; other runs are grouped only
with runs of equal lengths. N padded positions in all groups    Q positions of all runs
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
    """``number`` runs with ``queries`` queries and ``keys`` keys each, in the order of the groups' positions."""

    number: int
    queries: int
    keys: int


@dataclass(frozen=True, slots=True)
class Moves:
    """Indices from concatenated runs to groups, ``there`` int64 [N], and back, ``back`` int64 [Q].

    ``padding`` bool [N, 1, 1] marks padded positions; it is None without padding, where ``back`` inverts ``there``.
    """

    there: Tensor
    back: Tensor
    padding: Tensor | None


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of causal or full runs, and the indices of their queries and keys."""

    causal: bool
    groups: tuple[Group, ...]
    queries: Moves
    keys: Moves

    @property
    def pairs(self) -> int:
        """The number of pairs of a query and a key that are computed."""
        return sum(group.number * group.queries * group.keys for group in self.groups)


def group_runs(runs: Runs, spare: int) -> Groups:
    """Group causal or full runs so that padding adds at most ``spare`` pairs of positions to every group."""
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
    return Groups(runs.causal, shapes, queries, keys)


def _moves(lengths: Sequence[int], order: Sequence[int], padded: Sequence[int]) -> Moves:
    unpadded = torch.tensor([lengths[run] for run in order])
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.tensor(lengths).cumsum(0)[:-1]])[torch.tensor(order)]
    wide = torch.tensor(padded)
    # Position i of a padded run is position i of the run, or its last position beyond its end.
    inside = torch.arange(int(wide.sum())) - (wide.cumsum(0) - wide).repeat_interleave(wide)
    last = (unpadded - 1).repeat_interleave(wide)
    there = starts.repeat_interleave(wide) + torch.minimum(inside, last)
    padding = inside > last
    back = torch.empty(sum(lengths), dtype=torch.int64)
    back[there[~padding]] = torch.nonzero(~padding)[:, 0]
    return Moves(there, back, padding[:, None, None] if bool(padding.any()) else None)


def to_groups(flat: Tensor, moves: Moves) -> Tensor:
    """[Q, heads, Dh] -> [N, heads, Dh]. Padding needs no gradient, since no query of a run sees it."""
    moved: Tensor = _Gather.apply(flat, moves.there, moves.back, None)  # type: ignore[no-untyped-call]
    return moved


def from_groups(grouped: Tensor, moves: Moves) -> Tensor:
    """[N, heads, Dh] -> [Q, heads, Dh], without padding."""
    moved: Tensor = _Gather.apply(grouped, moves.back, moves.there, moves.padding)  # type: ignore[no-untyped-call]
    return moved


class _Gather(torch.autograd.Function):
    """Gather rows; the backward pass gathers by the inverse index, with zeros at ``padding``.

    PyTorch's own backward pass, which adds row by row, takes longer than the attention.
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
