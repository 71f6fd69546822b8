"""Forward and backward of one step, whole or in pieces.

Of each loss the step minimises the mean, over all samples of the step. The means of pieces, whose counts differ, do not
add up to it, and so the counts of the whole step are known before the first piece is computed: each piece adds its sums
divided by them, and the gradients of all pieces, on whichever process, add up to the step's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import JaniformError, Problem, RecipeError, nearest
from ...loss import Loss
from ...recipe import Stage
from ..distributed.process_group import World
from .precision import arithmetic
from .sharding import Forward, Sharded

Outcome = tuple[dict[str, Loss], dict[str, Tensor], Tensor]
"""Losses and figures of a step, and what was minimised, over all its samples."""


class TrainingError(JaniformError):
    """Training cannot go on."""


class Gradients:
    """Computes the gradients of a stage's steps.

    Args:
        pathways: whose losses there may be beside those of a batch, to tell a misspelt weight.
    """

    def __init__(
        self,
        stage: Stage,
        objective: nn.Module,
        device: torch.device,
        pathways: Iterable[str],
        sharded: Sharded | None,
        world: World,
    ) -> None:
        self.stage = stage
        self.objective = objective
        self.device = device
        self.pathways = tuple(pathways)
        self.sharded = sharded
        self.world = world
        self._checked = False

    def of(self, batches: Sequence[Any], counts: Mapping[str, int] | None) -> Outcome:
        """Add up the gradients of a step whose pieces are ``batches``; those of this process where there are several.

        ``counts``: of each loss, over the whole step; None where there is one piece, which says them itself.

        Raises:
            RecipeError: the stage weighs a loss that there is not.
            TrainingError: there is nothing to learn, or the objective gave other counts than it had announced.
        """
        if counts is None:
            with self.arithmetic():
                losses, figures = cast(Any, self.objective).losses(to_device(batches[0], self.device))
            self._check(losses)
            loss = self.total(losses)
            torch.autograd.backward(loss)
            return losses, figures, loss
        self._check(counts)
        scales = {name: self._weight(name) / max(count, 1) for name, count in counts.items()}
        forward = Forward(None, self.objective) if self.sharded is None else self.sharded.forward
        sums = torch.zeros(2, len(counts), device=self.device)
        seen: list[dict[str, Tensor]] = []
        for number, batch in enumerate(batches):
            with self.arithmetic():
                loss, losses, figures = forward(to_device(batch, self.device), scales)
            if self.sharded is None:
                torch.autograd.backward(loss)
            else:
                self.sharded.backward(loss, last=number == len(batches) - 1)
            sums += _table(losses, list(counts), self.device)
            seen.append(figures)
        if self.sharded is not None:
            self.world.sum(sums)
        found = {name: Loss(sums[0, place], sums[1, place]) for place, name in enumerate(counts)}
        if not self._checked:
            self._compare(found, counts)
        means = {name: torch.stack([figures[name] for figures in seen if name in figures]).mean() for name in seen[0]}
        return found, means, self.total(found)

    def arithmetic(self) -> torch.autocast:
        """The precision of forward passes."""
        dtype = arithmetic(self.stage.precision, self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)

    def total(self, losses: Mapping[str, Loss]) -> Tensor:
        """The weighted sum of the means; 1 is the weight of a loss that the stage does not name."""
        return torch.stack([loss.mean * self._weight(name) for name, loss in losses.items()]).sum()

    def _weight(self, name: str) -> float:
        return self.stage.weights.get(name, 1.0)

    def _check(self, losses: Iterable[str]) -> None:
        if not losses:
            raise TrainingError(f"stage '{self.stage.name}': the objective found nothing to learn in its samples")
        if self._checked:
            return
        unknown = unknown_weights(self.stage, self.pathways, losses)
        if unknown:
            raise RecipeError(unknown)

    def _compare(self, found: Mapping[str, Loss], counts: Mapping[str, int]) -> None:
        """Whether the first step had as many predictions as its batches promised; asks the device, and so only once."""
        self._checked = True
        wrong = {name: int(loss.count.item()) for name, loss in found.items() if int(loss.count.item()) != counts[name]}
        if wrong:
            said = ", ".join(f"{count} of '{name}' where it announced {counts[name]}" for name, count in wrong.items())
            raise TrainingError(f"stage '{self.stage.name}': the objective counted {said}, so a step cannot be divided")


def unknown_weights(stage: Stage, pathways: Iterable[str], losses: Iterable[str]) -> list[Problem]:
    """The weights of a stage that are of none of these losses, and of none that another of its batches may have."""
    known, path = {*losses, *pathways, "text"}, f"stage.{stage.name}.weights"
    return [
        Problem("no loss has this name", f"{path}.{name}", hint=nearest(name, known))
        for name in stage.weights
        if name not in known
    ]


def add_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums of counts by name, the names sorted, so that all processes have them in one order."""
    added: dict[str, int] = {}
    for some in counts:
        for name, count in some.items():
            added[name] = added.get(name, 0) + count
    return dict(sorted(added.items()))


def to_device(batch: Any, device: torch.device) -> Any:
    """Move a batch: a tensor, anything with ``to``, or a dict, list or tuple of such."""
    if hasattr(batch, "to"):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def _table(losses: Mapping[str, tuple[Tensor, Tensor]], names: list[str], device: torch.device) -> Tensor:
    """Sums and counts [2, losses] in the order of the names; zero for what a piece had none of."""
    none = torch.zeros((), device=device)
    rows = [[losses[name][row].float() if name in losses else none for name in names] for row in range(2)]
    return torch.stack([torch.stack(row) for row in rows])
