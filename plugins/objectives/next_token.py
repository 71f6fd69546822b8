"""Next-token prediction: every token or code with a loss is predicted by the state one position before it.

R tokens of text    m pictures    N tokens of a picture    d depth of a code    H hidden width
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve
from janiform import Batch, Loss, UsageError, summed_cross_entropy
from torch import Tensor

if TYPE_CHECKING:
    from janiform import UnifiedModel


def predictable(batch: Batch) -> Batch:
    """Return a batch on the CPU without the text targets that begin a document: no state precedes them.

    Raises ``UsageError`` where a document begins with a picture to draw.
    """
    starts = batch.positions.flatten() == 0
    for name, indices in batch.codes.items():
        if bool(starts[batch.pictures[name].positions[indices, 0]].any()):
            raise UsageError("a document cannot begin with a picture to draw: no state precedes its first code")
    text = {name: positions[~starts[positions]] for name, positions in batch.text.items()}
    return evolve(batch, text={name: positions for name, positions in text.items() if len(positions)})


def next_token_losses(model: UnifiedModel, batch: Batch) -> dict[str, Loss]:
    """Cross-entropies in nats as (sum, count), by the name of their loss.

    The text of a document counts for the pathway that the document looks through, or for ``text``; codes count for the
    pathway that draws them. Logits are computed at positions with a target only, which ``predictable`` has selected.
    """
    codes = {name: model.codes(batch.pictures[name], name) for name in batch.codes}
    states = model.hidden(batch, codes=codes).flatten(0, 1)
    losses: dict[str, Loss] = {}
    for name, positions in batch.text.items():
        losses[name] = _text_loss(model, states[positions - 1], batch.ids.flatten()[positions])
    for name, indices in batch.codes.items():
        head: Any = model.part(f"{name}.head")
        predicting, targets = batch.pictures[name].positions[indices] - 1, codes[name][indices]  # [m, N], [m, N, d]
        port = model.plan.pathways[name].codes
        if port is not None and port.given:
            places = port.predicted
            predicting, targets = predicting[:, places], targets[:, places]
        loss = head.loss(states[predicting.flatten()], targets.flatten(0, 1))
        losses[name] = losses[name] + loss if name in losses else loss
    return losses


def prediction_counts(model: UnifiedModel, batch: Batch) -> dict[str, int]:
    """The number of predictions of each loss of ``next_token_losses``; levels of a code count one each."""
    counts = {name: len(positions) for name, positions in batch.text.items()}
    for name, indices in batch.codes.items():
        codes = model.plan.pathways[name].codes
        each = 1 if codes is None else (codes.tokens - len(codes.given)) * codes.depth
        counts[name] = counts.get(name, 0) + len(batch.pictures[name].positions[indices]) * each
    return counts


def _text_loss(model: UnifiedModel, states: Tensor, ids: Tensor) -> Loss:
    """The loss of ids [R] given the states [R, H] before them."""
    backbone: Any = model.part("backbone")
    total = summed_cross_entropy(backbone.logits, states, ids, model.plan.hidden.vocabulary)
    return Loss(total, torch.tensor(float(len(ids)), device=total.device))
