"""A mask as runs: ranges of queries that attend to one range of keys, for kernels that compute sequence by sequence.

B rows    T queries    S keys    n runs

A document without full blocks is one causal run. A full block inside it is a run of its own, whose queries attend to
the document up to the block's end, and the text before and after it are causal runs: their queries are the last of the
keys from the document's start to the run's end. Padding is a run of its own, whose output is never read.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UsageError

Ints = NDArray[np.int64]


@frozen(eq=False)
class Runs:
    """Runs of one kind, laid end to end. All flat positions index the B·T queries or the B·S keys, row by row.

    ``causal``: the queries of a run are the last of its keys, and none attends to a later key; otherwise all attend to
    all.
    ``queries``, ``keys``: int64 flat positions of the runs' queries and keys, where keys may occur in several runs;
    None where they are all positions in their order. ``query_starts``, ``key_starts``: int32 [n + 1], where each run
    begins among these, with the total last. The lengths are the same for the host.
    """

    causal: bool
    queries: Tensor | None
    keys: Tensor | None
    query_starts: Tensor
    key_starts: Tensor
    query_lengths: tuple[int, ...]
    key_lengths: tuple[int, ...]


def runs_of(
    documents: Tensor | None, blocks: Tensor | None, rows: int, queries: int, keys: int, device: torch.device
) -> tuple[Runs, ...]:
    """The causal runs and the full ones, where there are any, of a declaration [B, S] on the CPU.

    Raises ``UsageError`` where a document or a block is not contiguous, which batches of janiform always are.
    """
    collected: dict[bool, list[tuple[int, int, int, int]]] = {True: [], False: []}
    for row in range(rows):
        document = np.zeros(keys, np.int64) if documents is None else documents[row, :keys].numpy()
        block = np.zeros(keys, np.int64) if blocks is None else blocks[row, :keys].numpy()
        for causal, first, stop, start in _row(document, block, keys - queries, row):
            collected[causal].append((row, first, stop, start))
    return tuple(_together(causal, runs, rows, queries, keys, device) for causal, runs in collected.items() if runs)


def _row(document: Ints, block: Ints, offset: int, row: int) -> list[tuple[bool, int, int, int]]:
    """The runs of one row in order: whether causal, the first query, the one after the last, the first key."""
    edges = np.flatnonzero((np.diff(document) != 0) | (np.diff(block) != 0)) + 1
    bounds = [0, *edges.tolist(), len(document)]
    began: dict[int, int] = {}
    blocks: set[tuple[int, int]] = set()
    collected: list[tuple[bool, int, int, int]] = []
    last = None
    for start, stop in pairwise(bounds):
        number, inside = int(document[start]), int(block[start])
        if number < 0:
            inside = 0
        if number != last:
            if number >= 0 and number in began:
                raise scattered(f"document {number}", row)
            began[number] = start
            last = number
        if inside and (number, inside) in blocks:
            raise scattered(f"block {inside} of document {number}", row)
        blocks.add((number, inside))
        first = max(start, offset)
        if first < stop:
            collected.append((not inside, first, stop, began[number]))
    return collected


def scattered(what: str, row: int) -> UsageError:
    """The error for a document or a block that is not contiguous."""
    return UsageError(f"{what} in row {row} is not contiguous, which this attention kernel does not serve: use sdpa")


def _together(
    causal: bool, runs: list[tuple[int, int, int, int]], rows: int, queries: int, keys: int, device: torch.device
) -> Runs:
    offset = keys - queries
    asking = np.concatenate([np.arange(a, b) + row * queries - offset for row, a, b, _ in runs])
    asked = np.concatenate([np.arange(start, b) + row * keys for row, _, b, start in runs])
    query_lengths = tuple(b - a for _, a, b, _ in runs)
    key_lengths = tuple(b - start for _, _, b, start in runs)
    return Runs(
        causal=causal,
        queries=_placed(asking, rows * queries, device),
        keys=_placed(asked, rows * keys, device),
        query_starts=_starts(query_lengths, device),
        key_starts=_starts(key_lengths, device),
        query_lengths=query_lengths,
        key_lengths=key_lengths,
    )


def _placed(positions: Ints, total: int, device: torch.device) -> Tensor | None:
    if len(positions) == total and bool((positions == np.arange(total)).all()):
        return None
    return torch.from_numpy(positions).to(device, non_blocking=True)


def _starts(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return torch.from_numpy(starts).to(device, non_blocking=True)
