"""The loss of pictures that a model draws: of the next code, of hidden places, or of values that lead out of noise.

m pictures    N places of a picture    d depth of a code    C width of latents    H hidden width
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attrs import evolve
from torch import Tensor

from ..loss import Loss
from ..ports import Codes
from ..sequence.corruption import Corrupted
from ..sequence.places import PlaceNoise

if TYPE_CHECKING:
    from ..compose import PathwayShape
    from ..contracts import Process
    from ..sequence.batch import Pictures
    from .unified_model import UnifiedModel


def picture_loss(
    model: UnifiedModel, pathway: str, pictures: Pictures, drawn: Tensor, states: Tensor, indices: Tensor
) -> Loss:
    """The loss of those of a pathway's ``pictures`` that ``indices`` [m] choose, as (sum, count).

    Where the corruption lists the hidden ``places`` of a batch, the loss is that of all of them.

    What is drawn place by place is predicted by the state one position before each; all others by the states
    at their own positions, of the hidden places only where some are hidden. Those of scales are so because the vectors
    at a scale are made of the codes of earlier scales. Codes count one per level, values one per place.

    Args:
        drawn: the codes [n, N, d] or latents [n, N, C] of all n pictures, not corrupted.
        states: the states of the batch at flat positions [B·T, H].
    """
    shape = model.plan.pathways[pathway]
    head: Any = model.part(f"{pathway}.head")
    positions, targets = pictures.positions[indices], drawn[indices]
    if shape.process is None:
        predicting = positions if shape.scales else positions - 1
        if isinstance(shape.drawn, Codes) and shape.drawn.given:
            predicted = shape.drawn.predicted
            predicting, targets = predicting[:, predicted], targets[:, predicted]
        return cast(Loss, head.loss(states[predicting.flatten()], targets.flatten(0, 1)))
    assert pictures.corrupted is not None  # the processor corrupts every picture of a pathway with a process
    lead, places = shape.features.lead, pictures.corrupted.places
    if shape.draws_places:
        return _place_loss(shape.process, head, pictures, drawn, states, indices)
    if places is not None:
        own = pictures.positions[:, lead : lead + drawn.shape[1]].flatten()[places]
        targets = shape.process.target(drawn, pictures.corrupted).flatten(0, 1)[places]
        return cast(Loss, head.loss(states[own], targets))
    every = len(indices) == len(pictures.positions)  # in their order, as an index occurs once
    corrupted = pictures.corrupted if every else _chosen(pictures.corrupted, indices)
    targets = shape.process.target(targets, corrupted)
    if shape.latents is not None:
        read = shape.process.read(drawn[indices], corrupted)
        return cast(Loss, head.loss(states[positions], read, corrupted, targets))
    own = positions[:, lead : lead + drawn.shape[1]]
    if corrupted.hidden is not None:
        return cast(Loss, head.loss(states[own[corrupted.hidden]], targets[corrupted.hidden]))
    return cast(Loss, head.loss(states[own.flatten()], targets.flatten(0, 1)))


def _place_loss(
    process: Process, head: Any, pictures: Pictures, drawn: Tensor, states: Tensor, indices: Tensor
) -> Loss:
    """The loss of a ``PlaceHead`` at the hidden places of all pictures, of which those without a loss have none.

    Where the batch does not tell the hidden places, it is the loss of the pictures of ``indices``.
    """
    corrupted, positions = pictures.corrupted, pictures.positions
    if corrupted is not None and corrupted.places is None and corrupted.hidden is not None:
        corrupted, drawn, positions = _chosen(corrupted, indices), drawn[indices], positions[indices]
        assert corrupted.hidden is not None
        corrupted = evolve(corrupted, places=corrupted.hidden.flatten().nonzero()[:, 0])
    if corrupted is None or corrupted.places is None or corrupted.seeds is None:
        raise ValueError("pictures whose places are drawn by the head need hidden places and seeds")
    conditions = head(states[positions], process.read(drawn, corrupted), corrupted).flatten(0, 1)
    targets = process.target(drawn, corrupted).flatten(0, 1)[corrupted.places]
    noise = PlaceNoise(corrupted.seeds, corrupted.places, drawn.shape[1])
    return cast(Loss, head.loss(conditions[corrupted.places], targets, noise))


def picture_predictions(shape: PathwayShape, pictures: Pictures, indices: Tensor) -> int:
    """The count of ``picture_loss``, before anything is computed."""
    if shape.draws_places:
        assert pictures.corrupted is not None
        assert pictures.corrupted.hidden is not None
        return int(pictures.corrupted.hidden[indices].sum())
    if isinstance(shape.drawn, Codes):
        hidden = None if pictures.corrupted is None else pictures.corrupted.hidden
        if shape.process is not None and hidden is not None:
            return int(hidden[indices].sum()) * shape.drawn.depth
        return len(indices) * (shape.drawn.tokens - len(shape.drawn.given)) * shape.drawn.depth
    return len(indices) * (0 if shape.drawn is None else shape.drawn.tokens)


def _chosen(corrupted: Corrupted, indices: Tensor) -> Corrupted:
    times, hidden, seeds = corrupted.times, corrupted.hidden, corrupted.seeds
    return Corrupted(
        None if times is None else times[indices],
        None if hidden is None else hidden[indices],
        None if seeds is None else seeds[indices.cpu()],
    )
