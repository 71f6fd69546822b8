"""Steps that change nothing, and the samples that cause a loss that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from attrs import evolve

from ...loss import Loss
from ..checkpoints.checkpoint import Position
from ..data.builder import BatchBuilder
from ..data.specs import BatchSpec
from .optim import Clipped

MAX_NAMED = 8
"""Samples that a message names."""


class SkippedSteps:
    """Counts on the device the steps of a run that changed nothing, from those of its ``position`` on.

    ``skipped``: all of them. ``idle``: those without a gradient. ``in_a_row``: the steps that were not finite since
    the last one with an update, and ``longest`` the largest such number since the last ``reset``.
    """

    def __init__(self, position: Position, device: torch.device) -> None:
        counts = (position.skipped, position.idle, position.skipped_in_a_row)
        self.skipped, self.idle, self.in_a_row = torch.tensor(counts, dtype=torch.float64, device=device)
        self.longest = self.in_a_row.clone()

    def add(self, step: Clipped) -> None:
        """Count a step."""
        self.skipped = self.skipped + step.skipped
        self.idle = self.idle + step.idle
        # A step without a gradient proves nothing about the others, so it does not end a row of those not finite.
        self.in_a_row = torch.where(step.idle > 0, self.in_a_row, (self.in_a_row + 1) * step.not_finite)
        self.longest = torch.maximum(self.longest, self.in_a_row)

    def counted(self, position: Position) -> Position:
        """The position with today's counts; waits for the device."""
        skipped, idle, in_a_row = torch.stack([self.skipped, self.idle, self.in_a_row]).tolist()
        return evolve(position, skipped=int(skipped), idle=int(idle), skipped_in_a_row=int(in_a_row))

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
