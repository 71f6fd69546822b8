"""Which samples made a loss that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from attrs import evolve

from ...loss import Loss
from ..data.batches import Kitchen, Ticket

SAID = 8
"""Samples that are named at most."""


@torch.no_grad()
def suspects(
    tickets: Iterable[Ticket], kitchen: Kitchen, losses: Callable[[Any], tuple[dict[str, Loss], Any]]
) -> list[tuple[str, int]]:
    """Those of the tickets' samples, by source and index, that alone give a loss that is not finite.

    A sample that cannot be prepared alone, as one of a pair, is not among them.
    """
    found = []
    for ticket in tickets:
        for place, sample in enumerate(ticket.samples):
            prepared = kitchen[evolve(ticket, samples=(sample,), first=ticket.first + place)]
            if prepared.problems:
                continue
            given, _ = losses(prepared.batch)
            if not all(bool(loss.total.isfinite()) for loss in given.values()):
                found.append(sample)
    return found


def sentence(samples: list[tuple[str, int]], found: list[tuple[str, int]]) -> str:
    """What to say of the samples of steps that were skipped, and of those ``found`` among them."""
    if found and len(found) < len(samples):
        return f"the loss is not finite for {_listed(found)}"
    return f"no sample alone is to blame; the last step took {_listed(samples)}"


def _listed(samples: list[tuple[str, int]]) -> str:
    said = ", ".join(f"example {index} of source '{name}'" for name, index in samples[:SAID])
    return said + (f" and {len(samples) - SAID} more" if len(samples) > SAID else "")
