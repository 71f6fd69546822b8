"""Next-token prediction: every token with a loss is predicted by the state one position before it, or at its own
position where its span says so, and pictures as their pathway draws them.

R tokens of text    H hidden width
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve
from janiform import (
    Batch,
    Loss,
    UsageError,
    auxiliary_counts,
    auxiliary_losses,
    picture_loss,
    picture_predictions,
    summed_cross_entropy,
)
from torch import Tensor

if TYPE_CHECKING:
    from janiform import UnifiedModel


def predictable(batch: Batch, wholes: Collection[str] = ()) -> Batch:
    """Return a batch on the CPU without the text targets that begin a document: no state precedes them.

    Raises ``UsageError`` where a document begins with a picture to draw, unless its pathway draws pictures as
    ``wholes``, which no earlier state predicts.
    """
    documents = batch.documents
    starts = torch.ones_like(documents, dtype=torch.bool)
    starts[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = starts.flatten()
    for name, indices in batch.codes.items():
        if name not in wholes and bool(starts[batch.pictures[name].positions[indices, 0]].any()):
            raise UsageError("a document cannot begin with a picture to draw: no state precedes its first code")
    text = {name: positions[~starts[positions]] for name, positions in batch.text.items()}
    return evolve(batch, text={name: positions for name, positions in text.items() if len(positions)})


def next_token_losses(model: UnifiedModel, batch: Batch) -> dict[str, Loss]:
    """Cross-entropies in nats, and those of latents, as (sum, count), by the name of their loss.

    The text of a document counts for the pathway that the document looks through, or for ``text``; pictures count for
    the pathway that draws them. Logits are computed at positions with a target only, which ``predictable`` has
    selected. Losses of parts, such as ``backbone.balance``, are among them.
    """
    drawn = {name: model.drawn(batch.pictures[name], name) for name in batch.codes}
    states = model.hidden(batch, drawn=drawn).flatten(0, 1)
    losses: dict[str, Loss] = {}
    for name, positions in batch.text.items():
        losses[name] = _text_loss(model, states[positions - 1], batch.ids.flatten()[positions])
    for name, (positions, ids) in batch.in_place.items():
        loss = _text_loss(model, states[positions], ids)
        losses[name] = losses[name] + loss if name in losses else loss
    for name, indices in batch.codes.items():
        loss = picture_loss(model, name, batch.pictures[name], drawn[name], states, indices)
        losses[name] = losses[name] + loss if name in losses else loss
    return losses | auxiliary_losses(model)


def prediction_counts(model: UnifiedModel, batch: Batch) -> dict[str, int]:
    """The number of predictions of each loss of ``next_token_losses``; levels of a code count one each."""
    counts = {name: len(positions) for name, positions in batch.text.items()}
    for name, (positions, _) in batch.in_place.items():
        counts[name] = counts.get(name, 0) + len(positions)
    for name, indices in batch.codes.items():
        count = picture_predictions(model.plan.pathways[name], batch.pictures[name], indices)
        counts[name] = counts.get(name, 0) + count
    return counts | auxiliary_counts(model, batch)


def _text_loss(model: UnifiedModel, states: Tensor, ids: Tensor) -> Loss:
    """The loss of ids [R] given the states [R, H] that predict them."""
    backbone: Any = model.part("backbone")
    total = summed_cross_entropy(backbone.logits, states, ids, model.plan.hidden.vocabulary)
    return Loss(total, torch.tensor(float(len(ids)), device=total.device))
