"""Losses and gradients of a step that is divided into batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from janiform import UnifiedModel
from torch import Tensor


def gradients(model: UnifiedModel, objective: Any, batches: list[Any]) -> tuple[float, dict[str, Tensor]]:
    """The mean losses over all batches and their gradients, accumulated batch by batch."""
    model.zero_grad()
    counts: dict[str, int] = {}
    for batch in batches:
        for name, count in objective.counts(batch).items():
            counts[name] = counts.get(name, 0) + count
    total = 0.0
    for batch in batches:
        losses, _ = objective.losses(batch)
        loss = torch.stack([each.total / counts[name] for name, each in losses.items()]).sum()
        loss.backward()
        total += loss.item()
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def summed(model: UnifiedModel, objective: Any, groups: Sequence[Sequence[Any]]) -> dict[str, torch.Tensor]:
    """Sums and counts of the losses of several batches together, and the gradients of all weights."""
    model.zero_grad()
    result: dict[str, Any] = {}
    for group in groups:
        batch = objective.collate(group)
        losses, _ = objective.losses(batch)
        assert {name: int(loss.count) for name, loss in losses.items()} == objective.counts(batch)
        for name, loss in losses.items():
            result[name] = result.get(name, 0) + torch.stack((loss.total, loss.count)).detach()
        torch.stack([loss.total for loss in losses.values()]).sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    return result | gradients
