"""Which samples a step takes, and how processes and micro-batches split them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from ...errors import Problem
from .mixture import Mixture


@frozen
class BatchSpec:
    """The samples of a step, or of a part of it: indices by source, in order.

    ``taken``: samples taken from each source since the stage began, this step included. ``first``: the position within
    the step of the first sample here, which is above 0 in a later part of a step.
    """

    step: int
    samples: tuple[tuple[str, int], ...]
    taken: dict[str, int]
    first: int = 0


def batch_specs(
    mixture: Mixture, batch: int, steps: range, taken: Mapping[str, int], begin: Mapping[str, int]
) -> Iterator[BatchSpec]:
    """Yield the specs of whole steps of a stage, whatever the number of processes.

    Args:
        taken: samples taken from each source since the stage began, from which the mixture continues.
        begin: the index of each source's first sample in the stage; 0 where it is not given.
    """
    taken = dict(taken)
    for step in steps:
        samples = []
        for name in mixture.order(taken, batch):
            samples.append((name, begin.get(name, 0) + taken.get(name, 0)))
            taken[name] = taken.get(name, 0) + 1
        yield BatchSpec(step, tuple(samples), dict(taken))


def shard(spec: BatchSpec, rank: int, processes: int) -> BatchSpec:
    """Return the part of a step that process ``rank`` prepares: a contiguous slice, in sizes that differ by at most 1.

    The shards of all ranks in order are the step.
    """
    if not 0 <= rank < processes:
        raise ValueError(f"rank {rank} is not in 0 .. {processes - 1}")
    count = len(spec.samples)
    start, stop = count * rank // processes, count * (rank + 1) // processes
    return evolve(spec, samples=spec.samples[start:stop], first=spec.first + start)


def split_step(spec: BatchSpec, *, rank: int = 0, processes: int = 1, micro_batch: int = 0) -> Iterator[BatchSpec]:
    """Yield the micro-batches of one process in order: consecutive samples, in as many parts as ``micro_batches`` says.

    The micro-batches of all processes together are the step's samples in their order.

    Args:
        micro_batch: samples of a micro-batch; 0 leaves the shard whole.
    """
    own = shard(spec, rank, processes)
    size = micro_batch or len(own.samples)
    for start in range(0, len(own.samples), size):
        yield evolve(own, samples=own.samples[start : start + size], first=own.first + start)


def micro_batches(batch: int, *, processes: int = 1, micro_batch: int = 0) -> int:
    """The number of micro-batches into which a process splits its shard of a step."""
    size = batch // processes
    return -(-size // micro_batch) if micro_batch else 1


def indivisible(stage: str, batch: int, processes: int) -> Problem | None:
    """What is wrong where the processes cannot take equal shards of a step, or None."""
    if batch % processes == 0:
        return None
    below, above = batch - batch % processes, batch + processes - batch % processes
    fitting = f"{above}" if below == 0 else f"{below} or {above}"
    return Problem(
        f"the {batch} samples of a step cannot be divided equally among {processes} processes",
        f"stage.{stage}.batch",
        hint=f"set batch to {fitting}, or start another number of processes",
    )
