"""The data of a training step: this process' micro-batches, and what all processes agree on about the step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from attrs import frozen

from ..distributed.process_group import ALONE, ProcessGroup
from ..progress.skipped_samples import SkippedSample
from .batches import batches
from .builder import BatchBuilder, PreparedBatch
from .specs import BatchSpec, micro_batches, split_step


@frozen(eq=False)
class Step:
    """One step.

    ``batches``: the micro-batches of this process, and ``specs`` what they hold. ``counts``: of each loss over the
    whole step, None where a single batch is the step and computes them itself. ``taken``: samples taken from each
    source since the stage began. ``skipped``: the samples that could not be used, or not whole, on all processes.
    ``waited``: seconds until the batches were there.
    """

    number: int
    batches: list[Any]
    specs: tuple[BatchSpec, ...]
    counts: dict[str, int] | None
    taken: dict[str, int]
    skipped: list[SkippedSample]
    waited: float


def steps(
    builder: BatchBuilder,
    specs: Iterator[BatchSpec],
    *,
    batch: int,
    micro_batch: int = 0,
    group: ProcessGroup = ALONE,
    ahead: int = 0,
    workers: int = 1,
    pin: bool = False,
) -> Generator[Step]:
    """Yield the data of the steps that ``specs`` describe.

    Args:
        batch: samples of a step.
        micro_batch: samples of a micro-batch; 0 does not split what a process computes.
        group: the processes that share each step; all of them must ask for every step.
        ahead, workers, pin: see ``batches``.

    Raises ``DataError`` where ``batches`` does; on every process.
    """
    split = {"processes": group.size, "micro_batch": micro_batch}
    count = micro_batches(batch, **split)
    divided = count > 1 or group.size > 1
    own = (part for spec in specs for part in split_step(spec, rank=group.rank, **split))
    with contextlib.closing(batches(builder, own, ahead=ahead, pin=pin, workers=workers)) as ready:
        while True:
            began = time.perf_counter()
            prepared: list[PreparedBatch] = []

            def prepare(prepared: list[PreparedBatch] = prepared) -> tuple[dict[str, int], list[SkippedSample]]:
                prepared.extend(islice(ready, count))
                counts = add_counts(builder.objective.counts(part.batch) for part in prepared) if divided else {}
                return counts, [sample for part in prepared for sample in part.skipped]

            results = group.run_everywhere(prepare)
            if not prepared:
                return
            yield Step(
                number=prepared[0].spec.step,
                batches=[part.batch for part in prepared],
                specs=tuple(part.spec for part in prepared),
                counts=add_counts(counts for counts, _ in results) if divided else None,
                taken=prepared[0].spec.taken,
                skipped=[sample for _, samples in results for sample in samples],
                waited=time.perf_counter() - began,
            )


def add_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums of counts by name, the names sorted, so that all processes have them in one order."""
    added: dict[str, int] = {}
    for some in counts:
        for name, count in some.items():
            added[name] = added.get(name, 0) + count
    return dict(sorted(added.items()))
