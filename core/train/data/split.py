"""Who computes which of a step's samples: a share for each process, and micro-batches within a share."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ...errors import Problem
from .batches import Ticket, share


def shares(ticket: Ticket, *, rank: int = 0, processes: int = 1, micro_batch: int = 0) -> Iterator[Ticket]:
    """The pieces of a step that one process takes, in order: neighbouring samples, as many as ``pieces`` says.

    All pieces together, those of all processes included, are the step's samples in their order.

    Args:
        micro_batch: samples of a piece; 0 leaves the share whole.
    """
    mine = share(ticket, rank, processes)
    size = micro_batch or len(mine.samples)
    for start in range(0, len(mine.samples), size):
        yield evolve(mine, samples=mine.samples[start : start + size], first=mine.first + start)


def pieces(batch: int, *, processes: int = 1, micro_batch: int = 0) -> int:
    """Into how many pieces a process' share of a step is divided."""
    size = batch // processes
    return -(-size // micro_batch) if micro_batch else 1


def indivisible(stage: str, batch: int, processes: int) -> Problem | None:
    """What is wrong where the processes cannot take equal shares of a step."""
    if batch % processes == 0:
        return None
    below, above = batch - batch % processes, batch + processes - batch % processes
    fitting = f"{above}" if below == 0 else f"{below} or {above}"
    return Problem(
        f"the {batch} samples of a step cannot be shared equally by {processes} processes",
        f"stage.{stage}.batch",
        hint=f"a batch of {fitting}, or another number of processes",
    )
