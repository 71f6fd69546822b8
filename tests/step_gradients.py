"""Losses and gradients of a step that is divided into batches."""

from __future__ import annotations

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
