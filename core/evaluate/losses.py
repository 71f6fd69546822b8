"""Held-out losses: how surprised a model is by the reference of a request, in nats, with teacher forcing.

B rows    T positions    N tokens of a picture    d depth of a code    H hidden width
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from attrs import evolve, frozen
from torch import Tensor

from ..contracts import Item, Metric, OnStep, Request
from ..errors import JaniformError, PictureError, UsageError
from ..inference.memory import memory_for_answers
from ..inference.prompts import checked_conversation, checked_piece
from ..loss import summed_cross_entropy
from ..model.picture_loss import picture_loss
from ..seeds import derived_seed
from ..sequence.conversation import Draw, Turn

if TYPE_CHECKING:
    from ..inference.api import Model
    from ..model.unified_model import UnifiedModel
    from ..sequence.batch import Batch
    from ..sequence.conversation import Content, Picture
    from ..sequence.spans import Sequence as SpanSequence

LOSSES = {True: "loss.picture", False: "loss.answer"}
"""The metric of a request that draws, and of one that asks."""

LOSS_METRICS = {name: Metric("down") for name in LOSSES.values()}

ROWS = 32
"""The most sequences of a batch. It does not depend on the free memory unless that is short, so that runs agree."""


@frozen(eq=False)
class _Forced:
    """A sequence with the reference as its end, which follows the first ``prompt`` positions."""

    request: Request
    sequence: SpanSequence
    prompt: int


def held_out_losses(model: Model, requests: Sequence[Request], on_step: OnStep) -> list[Item]:
    """One item for each request that has a reference: the sum of the cross-entropies of the reference, in nats.

    ``loss.answer`` is that of the answer's tokens with the end token, given the conversation; ``loss.picture`` that of
    all codes of the picture, N positions of depth d, given the prompt and without guidance. Of pictures that are drawn
    as wholes it is the training loss, summed over places, of a corruption that depends on the item.

    Raises ``UsageError`` for a reference that does not fit into the model's context.
    """
    items: list[Item] = []
    referenced = [request for request in requests if request.reference is not None]
    for draws in (True, False):
        chosen = [request for request in referenced if request.draws == draws]
        for start in range(0, len(chosen), ROWS):
            forced = [_forced(model, request) for request in chosen[start : start + ROWS]]
            plan = memory_for_answers(model.model, [row.sequence for row in forced], 1)
            losses = [loss for part in plan.parts for loss in _losses(model, forced[part], draws)]
            for request, loss in zip(chosen[start:], losses, strict=False):
                if not math.isfinite(loss):
                    raise JaniformError(f"{LOSSES[draws]} of '{request.item}' is {loss}: the model has diverged")
                items.append(Item(LOSSES[draws], request.item, request.cluster, loss))
            on_step(len(items), len(referenced))
    return items


def most_likely(model: Model, requests: Sequence[Request], on_step: OnStep) -> list[str]:
    """For each request, the one of its choices with the smallest loss; the first of those with equal losses.

    Raises ``UsageError`` for a choice that does not fit into the model's context, ``JaniformError`` for a model that
    has diverged.
    """
    chosen: list[str] = []
    for request in requests:
        losses: list[float] = []
        for start in range(0, len(request.choices), ROWS):
            choices = request.choices[start : start + ROWS]
            forced = [_forced(model, evolve(request, reference=choice)) for choice in choices]
            plan = memory_for_answers(model.model, [row.sequence for row in forced], 1)
            mean = request.choice_loss == "mean"
            losses += [loss for part in plan.parts for loss in _losses(model, forced[part], draws=False, mean=mean)]
        if not all(map(math.isfinite, losses)):
            raise JaniformError(f"the losses of the choices of '{request.item}' are {losses}: the model has diverged")
        chosen.append(request.choices[min(range(len(losses)), key=losses.__getitem__)])
        on_step(len(chosen), len(requests))
    return chosen


def _forced(model: Model, request: Request) -> _Forced:
    unified = model.model
    context = unified.plan.hidden.context
    conversation = checked_conversation(unified, request.conversation)
    if request.draws:
        pathway = model.pathway("draw")
        prompt = unified.processor.drawing_prompt(conversation, pathway)
        answer = Turn("assistant", _drawing(request, pathway, context))
    else:
        prompt = unified.processor.sequence(conversation, answer=False)
        answer = Turn("assistant", cast(str, request.reference))
    sequence = unified.processor.sequence(evolve(conversation, turns=(*conversation.turns, answer)))
    # How much a picture is corrupted depends on the item only, so that models can be compared.
    chance = np.random.default_rng(derived_seed("held-out", request.item))
    sequence = unified.processor.corrupted(sequence, chance, looks=False)
    if len(sequence) > context:
        raise UsageError(
            f"'{request.item}' has {len(sequence)} positions with its reference; the model's context is {context}"
        )
    return _Forced(request, sequence, len(prompt))


def _losses(model: Model, forced: Sequence[_Forced], draws: bool, *, mean: bool = False) -> list[float]:
    """The losses of some sequences, computed in one batch. ``mean``: of answers, divided by the number of tokens."""
    unified = model.model
    with torch.no_grad():
        batch = unified.processor.collate([row.sequence for row in forced]).to(unified.device)
        if draws:
            totals = _of_pictures(unified, batch, model.pathway("draw"))
        else:
            features = None
            if unified.features is not None:
                features = unified.features.of(unified, [row.sequence for row in forced])
                unified.features.trim()
            totals = _of_answers(unified, batch, [row.prompt for row in forced], features, mean)
    return cast("list[float]", torch.stack(totals).double().tolist())


def _of_pictures(model: UnifiedModel, batch: Batch, pathway: str) -> list[Tensor]:
    """The losses of the last picture of each row, summed over its codes or places."""
    pictures = batch.pictures[pathway]
    if pictures.corrupted is not None:  # each picture has a loss of its own
        pictures = evolve(pictures, corrupted=evolve(pictures.corrupted, places=None))
    drawn = model.drawn(pictures, pathway)
    states = model.hidden(batch, drawn={pathway: drawn}).flatten(0, 1)
    rows: list[int] = (pictures.positions[:, 0] // batch.ids.shape[1]).tolist()
    last = sorted({row: index for index, row in enumerate(rows)}.items())
    return [
        picture_loss(model, pathway, pictures, drawn, states, torch.tensor([index], device=states.device)).total
        for _, index in last
    ]


def _of_answers(
    model: UnifiedModel, batch: Batch, prompts: Sequence[int], features: Mapping[str, Tensor] | None, mean: bool
) -> list[Tensor]:
    """The losses of the text of each row that follows its prompt, summed over its tokens or averaged."""
    states_BTH = model.hidden(batch, features=features)
    length = batch.ids.shape[1]
    targets = torch.cat([*batch.text.values()]).sort().values
    rows, columns = targets // length, targets % length
    backbone: Any = model.part("backbone")
    totals = []
    for row, prompt in enumerate(prompts):
        answer = columns[(rows == row) & (columns >= prompt)]
        states = states_BTH[row, answer - 1]
        ids = batch.ids[row, answer]
        total = summed_cross_entropy(backbone.logits, states, ids, model.plan.hidden.vocabulary)
        totals.append(total / len(ids) if mean else total)
    return totals


def _drawing(request: Request, pathway: str, context: int) -> Content:
    """The reference as the picture that the assistant draws."""
    try:
        return checked_piece(Draw(cast("Picture", request.reference), pathway), context)
    except PictureError as error:
        raise PictureError(f"the reference of '{request.item}' cannot be used: {error}") from None
