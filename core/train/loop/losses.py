"""What a step minimises, whole or in micro-batches.

Of each loss a step minimises the mean over all its samples. The means of micro-batches, whose counts differ, do not add
up to it, so the counts of the whole step are known before the first micro-batch is computed: each adds its sums divided
by them, and the gradients of all micro-batches, on whichever process, add up to the step's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...contracts.objective import Objective
from ...errors import JaniformError, Problem, RecipeError, nearest
from ...loss import Loss
from ...model.unified_model import UnifiedModel
from ...recipe import Stage
from ..distributed.process_group import ProcessGroup

Sums = dict[str, tuple[Tensor, Tensor]]
"""(sum, count) of each loss, detached."""


class TrainingError(JaniformError):
    """Training cannot continue."""


class LossWeights:
    """The weights of a stage's losses; for those that it does not name, the part's own weight, or 1.

    Args:
        pathways: names of losses that other batches may have, so that a misspelt weight can be told from those.
        auxiliary: the weights of losses of parts where the stage does not name them.
    """

    def __init__(self, stage: Stage, pathways: Iterable[str], auxiliary: Mapping[str, float]) -> None:
        self.stage = stage
        self.pathways = tuple(pathways)
        self.auxiliary = auxiliary
        self.counts_checked = False

    def of(self, name: str) -> float:
        return self.stage.weights.get(name, self.auxiliary.get(name, 1.0))

    def minimised(self, losses: Mapping[str, Loss], counts: Mapping[str, int] | None) -> list[Tensor]:
        """The terms of what is minimised: weighted means, by the ``counts`` of the step where it is split."""
        if counts is None:
            return [loss.mean * self.of(name) for name, loss in losses.items()]
        return [loss.total * (self.of(name) / max(counts[name], 1)) for name, loss in losses.items()]

    def check(self, losses: Iterable[str]) -> None:
        """Raise ``TrainingError`` where a step has no loss, ``RecipeError`` where a weight belongs to no loss."""
        if not losses:
            raise TrainingError(f"stage '{self.stage.name}': the objective has no loss for the samples of a step")
        if unknown := unknown_weights(self.stage, (*self.pathways, *self.auxiliary), losses):
            raise RecipeError(unknown)


class LossModule(nn.Module):
    """From a batch to what is minimised, as one call of a module, which FSDP2 wants at the top.

    ``scale`` multiplies what is minimised: FSDP2 takes the mean of gradients over processes where the sum is wanted.
    """

    def __init__(self, model: UnifiedModel | None, objective: Objective, weights: LossWeights) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.weights = weights
        self.scale = 1
        self.touched: list[tuple[nn.Module, str]] = []
        """Trained parameters, as (module, name), whose gradient is zero, and not None, where a batch lacks them."""

    def forward(self, batch: Any, counts: Mapping[str, int] | None) -> tuple[Tensor, Sums, dict[str, Tensor]]:
        """Return what is minimised, (sum, count) of each loss, and the figures.

        Args:
            counts: of each loss over the whole step; None where the batch is the whole step.
        """
        losses, figures = self.objective.losses(batch)
        if counts is None:
            self.weights.check(losses)
        terms = self.weights.minimised(losses, counts) + zeros(self.touched)
        sums = {name: (loss.total.detach(), loss.count.detach()) for name, loss in losses.items()}
        minimised = torch.stack(terms).sum()
        return minimised if self.scale == 1 else minimised * self.scale, sums, figures


class StepLosses:
    """The losses and figures of one step, added up over its micro-batches, and over ``group`` in the end.

    Raises what ``LossWeights.check`` raises.
    """

    def __init__(
        self, weights: LossWeights, counts: Mapping[str, int] | None, device: torch.device, group: ProcessGroup
    ) -> None:
        if counts is not None:
            weights.check(counts)
        self._weights, self._counts, self._device, self._group = weights, counts, device, group
        self._names = list(counts or ())
        self._sums = torch.zeros(2, len(self._names), device=device)
        self._figures: list[dict[str, Tensor]] = []

    def add(self, sums: Sums, figures: dict[str, Tensor]) -> None:
        """Add those of a micro-batch."""
        if self._counts is None:
            self._names = list(sums)
            self._sums = torch.zeros(2, len(sums), device=self._device)
        self._sums += _table(sums, self._names, self._device)
        self._figures.append(figures)

    def finish(self) -> tuple[dict[str, Loss], dict[str, Tensor], Tensor]:
        """Return the losses, the mean figures, and what was minimised, over the whole step.

        Raises ``TrainingError`` where the first step has other counts than the objective announced.
        """
        sums = self._group.sum(self._sums)
        losses = {name: Loss(sums[0, column], sums[1, column]) for column, name in enumerate(self._names)}
        if self._counts is not None and not self._weights.counts_checked:
            self._check_counts(losses, self._counts)
        figures = {
            name: torch.stack([some[name] for some in self._figures if name in some]).mean()
            for name in self._figures[0]
        }
        return losses, figures, torch.stack(self._weights.minimised(losses, None)).sum()

    def _check_counts(self, losses: Mapping[str, Loss], announced: Mapping[str, int]) -> None:
        """Compare counts with those announced; once, as it waits for the device."""
        self._weights.counts_checked = True
        counted = {name: int(loss.count.item()) for name, loss in losses.items()}
        if wrong := [f"{counted[name]} of '{name}' instead of {announced[name]}" for name in counted
                     if counted[name] != announced[name]]:  # fmt: skip
            stage = self._weights.stage.name
            raise TrainingError(
                f"stage '{stage}': the objective counted {', '.join(wrong)}, so a step cannot be divided; its counts "
                "and losses must agree"
            )


def unknown_weights(stage: Stage, pathways: Iterable[str], losses: Iterable[str]) -> list[Problem]:
    """The weights of a stage that belong to none of these losses, nor to any that another of its batches may have."""
    names, path = {*losses, *pathways, "text"}, f"stage.{stage.name}.weights"
    return [
        Problem("no loss has this name", f"{path}.{name}", hint=nearest(name, names))
        for name in stage.weights
        if name not in names
    ]


def zeros(parameters: Iterable[tuple[nn.Module, str]]) -> list[Tensor]:
    """A zero that depends on each parameter, whatever its values: an empty slice is summed."""
    return [getattr(module, name).flatten()[:0].sum() for module, name in parameters]


def _table(sums: Sums, names: list[str], device: torch.device) -> Tensor:
    """Sums and counts [2, losses] in the order of the names; zero for what a micro-batch does not have."""
    none = torch.zeros((), device=device)
    rows = [[sums[name][row].float() if name in sums else none for name in names] for row in range(2)]
    return torch.stack([torch.stack(row) for row in rows])
