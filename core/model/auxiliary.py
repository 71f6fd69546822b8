"""The losses that parts add to those of an objective, such as the load balancing of a mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ComponentError, Problem
from ..loss import Loss
from .picture_loss import picture_predictions

if TYPE_CHECKING:
    from ..sequence.batch import Batch
    from .unified_model import UnifiedModel

_ROLES = ("encoder", "embedding", "adapter", "head")
"""The parts of a pathway that run with gradients while a model is trained on sequences."""


def auxiliary_weights(model: UnifiedModel) -> dict[str, float]:
    """The weight of each auxiliary loss where a stage names none, by path and name: ``backbone.balance``."""
    return {
        f"{path}.{name}": float(weight)
        for path, part in _parts(model).items()
        for name, weight in part.auxiliary_weights().items()
    }


def auxiliary_counts(model: UnifiedModel, batch: Batch) -> dict[str, int]:
    """The count of each loss that ``auxiliary_losses`` will give after a forward pass of training over a batch.

    The backbone counts positions that are not padding, a head what its ``loss`` counts, and other parts pictures. Parts
    that are not trained have none.
    """
    counts: dict[str, int] = {}
    for path, part in _parts(model).items():
        if part.training and (count := _count(model, path, batch)):
            counts |= dict.fromkeys((f"{path}.{name}" for name in part.auxiliary_weights()), count)
    return counts


def auxiliary_losses(model: UnifiedModel) -> dict[str, Loss]:
    """The losses of all parts' forward passes of training since the last call, by path and name; not weighted.

    Objectives call it once after the forward passes of a batch. Raises ``ComponentError`` where a part gives a loss
    that it did not declare.
    """
    losses: dict[str, Loss] = {}
    for path, part in _parts(model).items():
        found: Mapping[str, Loss] = part.auxiliary_losses()
        if unknown := sorted(found.keys() - part.auxiliary_weights().keys()):
            provider = model.plan.parts[path].use.component.provider
            message = f"auxiliary_losses() gives '{unknown[0]}', which auxiliary_weights() does not name; {provider}"
            raise ComponentError(Problem(message, path, hint="fix the plugin"))
        losses |= {f"{path}.{name}": loss for name, loss in found.items()}
    return losses


def _parts(model: UnifiedModel) -> dict[str, Any]:
    """The parts with auxiliary losses, by the paths of their owners."""
    return {
        path: part
        for path, part in model.built_parts().items()
        if (path == "backbone" or path.rpartition(".")[2] in _ROLES)
        and callable(getattr(part, "auxiliary_losses", None))
    }


def _count(model: UnifiedModel, path: str, batch: Batch) -> int:
    if path == "backbone":
        return batch.tokens
    count = 0
    for name, pictures in batch.pictures.items():
        uses = {role for role in _ROLES if model.plan.shared.get(f"{name}.{role}", f"{name}.{role}") == path}
        if "head" in uses:
            if name in batch.codes:
                count += picture_predictions(model.plan.pathways[name], pictures, batch.codes[name])
        elif uses:
            count += len(pictures.positions)
    return count
