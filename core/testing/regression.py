"""Conformance tests of heads of latents that are drawn place by place. R states    C width of latents"""

from __future__ import annotations

import torch

from .calls import call, checked_loss, near
from .case import Case, require

_STATES = 6


def predicts_single_places(case: Case) -> None:
    """The loss of a head of single places adds up over them, and is smallest where it predicts what is there.

    Its count is that of the places, and the prediction of one does not depend on other states.
    """
    if not case.draws_latents_singly:
        return
    module = case.build(dtype=torch.float64)
    hidden, latents = case.inputs(_STATES).double(), case.latents(_STATES)[:, 0].double()
    predicted = call(case, module, "forward", hidden)
    alone = torch.cat([call(case, module, "forward", hidden[row : row + 1]) for row in range(_STATES)])
    require(near(alone, predicted, 1e-6), f"{case.name}: the prediction of a place depends on the states of others")
    loss = checked_loss(case, "`loss`", call(case, module, "loss", hidden, latents))
    require(
        float(loss.count) == _STATES, f"{case.name}: `loss` counts {float(loss.count):g} instead of {_STATES} places"
    )
    parts = call(case, module, "loss", hidden[:2], latents[:2]) + call(case, module, "loss", hidden[2:], latents[2:])
    require(
        abs(float(parts.total - loss.total)) <= 1e-5 * abs(float(loss.total)),
        f"{case.name}: the losses of two parts of a batch do not add up to that of the whole; sum them, do not average",
    )
    reached = float(call(case, module, "loss", hidden, predicted).total)
    others = [float(call(case, module, "loss", hidden, other).total) for other in (latents, -predicted)]
    require(
        reached < min(others),
        f"{case.name}: `loss` is {reached:.6f} where latents are what it predicts, and {min(others):.6f} for others; "
        "it must be smallest where it predicts what is there",
    )
