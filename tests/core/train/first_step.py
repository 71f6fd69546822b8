"""The first step of a stage, looked at before its update."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from janiform.loss import Loss
from janiform.train.distributed.process_group import whole
from janiform.train.loop.loop import train_steps
from janiform.train.loop.losses import StepLosses
from janiform.train.loop.stage import StageRun
from torch import Tensor


def first_step(run: StageRun, sources: Any) -> tuple[dict[str, Loss], dict[str, Tensor]]:
    """Take a step of a stage, and return its losses and gradients; those are whole where processes shard them."""
    losses: dict[str, Loss] = {}
    gradients: dict[str, Tensor] = {}
    finish = StepLosses.finish

    def watched(self: StepLosses) -> Any:
        outcome = finish(self)
        losses.update(outcome[0])
        gradients.update(
            (name, whole(parameter.grad).clone())
            for name, parameter in run.trained.items()
            if parameter.grad is not None
        )
        return outcome

    with patch.object(StepLosses, "finish", watched):
        list(train_steps(run, sources, 1))
    return losses, gradients
