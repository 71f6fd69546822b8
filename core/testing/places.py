"""Conformance tests of heads that draw the values of single places by a process of their own.

n pictures    N places of a picture    R places    C width of latents    Z width of what a place is drawn from
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..guidance import Guidance
from ..sequence.places import PlaceNoise, PlaceSampling
from .calls import apart, call, checked_loss, near, run, sampled_places
from .case import ROWS, Case, require


def gives_the_loss_of_each_place(case: Case) -> None:
    """The loss is a sum over places, each with the random numbers of its picture's seed; the count is their number."""
    if not case.draws_places:
        return
    module, places = case.build(), _places(case)
    conditions, target = _conditions(case, module).flatten(0, 1), case.latents().flatten(0, 1)
    conditions = conditions.detach().requires_grad_(True)

    def loss_of(some: Tensor, seed: int = 0) -> Tensor:
        noise = PlaceNoise(torch.arange(ROWS) + seed, some, case.gives.tokens)
        made = checked_loss(case, "`loss`", call(case, module, "loss", conditions[some], target[some], noise=noise))
        require(
            float(made.count) == len(some),
            f"{case.name}: `loss` counts {float(made.count):g} instead of {len(some)} places",
        )
        require(bool(torch.isfinite(made.total)), f"{case.name}: `loss` is not finite")
        return made.total

    whole, half = loss_of(places), len(places) // 2
    require(near(loss_of(places), whole, 1e-6), f"{case.name}: gives another loss for the same places and seeds")
    parts = (loss_of(places[:half]) + loss_of(places[half:])).detach()
    require(
        near(parts, whole, 1e-4),
        f"{case.name}: the losses of two parts of the places add up to {float(parts):.5f}, and that of all is "
        f"{float(whole.detach()):.5f}; sum over places, and compute nothing over a batch",
    )
    require(whole.requires_grad, f"{case.name}: its loss has no gradient for the conditions; something is detached")
    gradient = torch.autograd.grad(whole, conditions)[0]
    unread = int((gradient[places] == 0).all(dim=1).sum())
    require(not unread, f"{case.name}: the loss does not depend on the conditions of {unread} of {len(places)} places")


def draws_each_place_by_itself(case: Case) -> None:
    """Values of a place depend on its conditions and its picture's random numbers, and on the guidance rows."""
    if not case.draws_places:
        return
    module, port = case.build(), case.gives
    shown = _conditions(case, module)
    plain = Guidance.plain(1.0)
    values = _sampled(case, module, shown, plain)
    wanted = [ROWS * port.tokens, port.width]
    require(
        list(values.shape) == wanted and values.dtype == torch.float32 and bool(torch.isfinite(values).all()),
        f"{case.name}: `sample` gave {values.dtype} {list(values.shape)}, expected finite float32 {wanted}",
    )
    alone = torch.cat([_sampled(case, module, shown[row : row + 1], plain, row) for row in range(ROWS)])
    require(
        near(alone, values, 1e-4),
        f"{case.name}: the values of a picture's places change by {apart(alone, values):.1e} with the other pictures "
        "of a batch",
    )
    twice = torch.cat((shown, shown))
    equal = _sampled(case, module, twice, Guidance.plain(3.0))
    require(
        list(equal.shape) == wanted,
        f"{case.name}: for two guidance rows `sample` gave {list(equal.shape)}, expected {wanted}: one row of values "
        "for all guidance rows of a place",
    )
    require(
        near(equal, values, 1e-3),
        f"{case.name}: with guidance whose rows are equal it draws other values than without; give all rows of a place "
        "the same values, by `sampling.repeated`, and mix predictions by `sampling.mixed`",
    )
    mixed = _sampled(case, module, torch.cat((shown, shown.flip(1))), Guidance.plain(3.0))
    require(
        not near(mixed, values, 1e-4),
        f"{case.name}: ignores guidance; mix the predictions of all rows by `sampling.mixed`",
    )


def _sampled(case: Case, module: nn.Module, conditions: Tensor, guidance: Guidance, first: int = 0) -> Tensor:
    """Values of all places of pictures, counted from ``first``, whose conditions [G·n, N, Z] those of all rows are."""
    pictures = len(conditions) // len(guidance)
    chance = [torch.Generator().manual_seed(case.seed + first + row) for row in range(pictures)]
    return sampled_places(case, module, conditions, PlaceSampling(guidance, chance, conditions.shape[1]))


def _conditions(case: Case, module: nn.Module) -> Tensor:
    return run(case, module, case.inputs())


def _places(case: Case) -> Tensor:
    hidden = case.corrupted().hidden
    assert hidden is not None
    return hidden.flatten().nonzero().flatten()
