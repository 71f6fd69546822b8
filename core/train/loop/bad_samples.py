"""Steps whose loss or gradient is not finite, and the samples that cause it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from attrs import evolve
from torch import Tensor

from ...loss import Loss
from ..data.builder import BatchBuilder
from ..data.specs import BatchSpec

MAX_NAMED = 8
"""Samples that a message names."""


class SkippedSteps:
    """Counts on the device the steps in a row that changed nothing. ``longest``: the most since the last ``reset``."""

    def __init__(self, in_a_row: int, device: torch.device) -> None:
        self.in_a_row = torch.tensor(float(in_a_row), device=device)
        self.longest = self.in_a_row.clone()

    def add(self, skipped: Tensor) -> None:
        """Count a step: ``skipped`` is 1.0, or 0.0 where the step was taken."""
        self.in_a_row = (self.in_a_row + 1) * skipped
        self.longest = torch.maximum(self.longest, self.in_a_row)

    def reset(self) -> None:
        self.longest = self.in_a_row.clone()


@torch.no_grad()
def bad_samples(
    specs: Iterable[BatchSpec], builder: BatchBuilder, losses: Callable[[Any], dict[str, Loss]]
) -> list[tuple[str, int]]:
    """The samples of some specs, by source and index, each of which alone gives a loss that is not finite.

    A sample that cannot be prepared alone, such as one of a pair, is left out.
    """
    bad = []
    for spec in specs:
        for position, sample in enumerate(spec.samples):
            prepared = builder[evolve(spec, samples=(sample,), first=spec.first + position)]
            if prepared.problems:
                continue
            if not all(bool(loss.total.isfinite()) for loss in losses(prepared.batch).values()):
                bad.append(sample)
    return bad


def explain(samples: list[tuple[str, int]], bad: list[tuple[str, int]]) -> str:
    """A sentence about the samples of skipped steps, and the ``bad`` ones among them."""
    if bad and len(bad) < len(samples):
        return f"the loss is not finite for {_listed(bad)}"
    return f"no single sample causes it; the last step took {_listed(samples)}"


def _listed(samples: list[tuple[str, int]]) -> str:
    named = ", ".join(f"example {index} of source '{name}'" for name, index in samples[:MAX_NAMED])
    return named + (f" and {len(samples) - MAX_NAMED} more" if len(samples) > MAX_NAMED else "")
