"""The batch of a spec: reading its examples and preparing them.

The content of a batch follows from the seed of the data, the stage, the step and the positions of the sources alone.

An example that cannot be used is replaced by the next usable one of its source, for this one position in the step only:
positions advance as if it had been used, so that they do not depend on the state of any file, and neither batches nor a
resumed run shift. The replacement comes again in its own turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from torch.utils.data import Dataset

from ...contracts import Source
from ...contracts.objective import Objective
from ...errors import JaniformError, Problem
from ...untrusted_text import text_of
from ..progress.skipped_samples import SkippedSample
from .sources import UNUSABLE, example_of
from .specs import BatchSpec

MAX_UNUSABLE = 64
"""Unusable examples in a row after which a source is given up."""


class DataError(JaniformError):
    """A source or the preparation of its examples failed."""


@frozen
class PreparedBatch:
    """A batch, or the problems that prevented it; and the examples that were skipped, or cut, for it."""

    spec: BatchSpec
    batch: Any = None
    problems: tuple[Problem, ...] = field(default=())
    skipped: tuple[SkippedSample, ...] = field(default=())

    def pin_memory(self) -> PreparedBatch:
        """The same in page-locked memory, where the batch can be moved there."""
        return evolve(self, batch=self.batch.pin_memory()) if hasattr(self.batch, "pin_memory") else self


@frozen
class BatchBuilder(Dataset[PreparedBatch]):
    """Makes the batch of a spec: the examples of ``sources``, prepared by ``objective``.

    Each example is prepared with a random generator seeded by ``entropy`` (of the stage), the step and its position
    in the step.

    Args:
        strict: an example that cannot be used is a problem, instead of being replaced.
    """

    sources: Mapping[str, Source]
    objective: Objective
    entropy: tuple[int, ...]
    strict: bool = False

    def __getitem__(self, spec: BatchSpec) -> PreparedBatch:
        building = _Building(self, spec)
        try:
            return PreparedBatch(spec, building.batch(), skipped=tuple(building.skipped))
        except JaniformError as error:
            problems = tuple(Problem(f"{building.doing}: {problem}") for problem in error.problems)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # sources and objectives are plugins, and may raise anything
            message = f"{building.doing} failed: {type(error).__name__}: {text_of(error)}{_line_of(error)}"
            problems = (Problem(message),)
        return PreparedBatch(spec, problems=problems, skipped=tuple(building.skipped))


class _Building:
    """One batch while it is built. ``doing`` names what is being worked on, for errors."""

    def __init__(self, builder: BatchBuilder, spec: BatchSpec) -> None:
        self.builder = builder
        self.spec = spec
        self.skipped: list[SkippedSample] = []
        self.doing = ""

    def batch(self) -> Any:
        spec = self.spec
        prepared = [self.example(position, *sample) for position, sample in enumerate(spec.samples, start=spec.first)]
        self.doing = f"the batch of step {spec.step + 1}"
        return self.builder.objective.collate(prepared, self.generator(*([spec.first] if spec.first else [])))

    def example(self, position: int, source: str, index: int) -> Any:
        """The prepared example, or the next of its source that can be used."""
        first: dict[str, str] = {}
        kinds: Counter[str] = Counter()
        for tried in range(index, index + MAX_UNUSABLE):
            self.doing = f"example {tried} of source '{source}'"
            try:
                example = example_of(self.builder.sources[source], tried)
                note = partial(self.note, source, tried, True)
                return self.builder.objective.prepare_one(example, self.generator(position), note)
            except UNUSABLE as error:
                if self.builder.strict:
                    raise
                if tried == index:  # later ones are recorded in their own turn
                    self.note(source, tried, False, error.kind, str(error))
                kinds[error.kind] += 1
                first.setdefault(error.kind, str(error))
        counted = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
        self.doing = f"source '{source}'"
        raise DataError(
            [
                Problem(f"{MAX_UNUSABLE} examples in a row, from {index} on, cannot be used: {counted}"),
                *(Problem(f"the first with {kind}: {reason}") for kind, reason in first.items()),
            ]
        )

    def note(self, source: str, index: int, kept: bool, kind: str, reason: str) -> None:
        self.skipped.append(SkippedSample(self.spec.step, source, index, kind, reason, kept))

    def generator(self, *position: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((*self.builder.entropy, self.spec.step, *position)))


def _line_of(error: BaseException) -> str:
    """File and line at which an unexpected error arose, by which a plugin's author finds it."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
