"""Conformance tests of embeddings and heads of pictures that are drawn as wholes. Those of codes pass at once
where a test is for latents, and the other way round.

n pictures    N places of a picture    C width of latents
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..ports import Codes, Features, Latents
from ..sequence.corruption import Corrupted
from .calls import call, checked_loss, near
from .case import ROWS, Case, require

_CODES = 8
"""The most codes whose vectors are compared with that of hidden places."""


def embeds_whole_pictures(case: Case) -> None:
    """An embedding of latents takes complete pictures too, reads every value, and declares its vectors before them."""
    if not case.draws_wholes:
        return
    module, port, drawn = case.build(), case.gives, case.ports["drawn"]
    assert isinstance(port, Features)
    assert isinstance(drawn, Latents)
    require(
        port.tokens == drawn.tokens + port.lead + port.trail,
        f"{case.name}: declares {port.tokens} tokens for {drawn.tokens} places; set `lead` of its Features to the "
        "number of vectors before the places, and `trail` to that of those behind them",
    )
    read = case.latents().requires_grad_(True)
    vectors = call(case, module, "forward", read)
    wanted = [ROWS, port.tokens, port.width]
    require(
        isinstance(vectors, Tensor) and list(vectors.shape) == wanted,
        f"{case.name}: without `corrupted`, for complete pictures, it gave {list(getattr(vectors, 'shape', ()))}, "
        f"expected {wanted}",
    )
    # Random weights, as a sum of all vectors may not depend on some values.
    weights = torch.rand(vectors.shape, generator=torch.Generator().manual_seed(case.seed)) + 0.5
    require(vectors.requires_grad, f"{case.name}: has no gradient for its latents; something in it is detached")
    gradient = torch.autograd.grad((vectors * weights).sum(), read)[0]
    unread = (gradient == 0).all(dim=0).nonzero().tolist()
    require(
        not unread,
        f"{case.name}: does not read {len(unread)} of the {gradient[0].numel()} values of a picture, such as value "
        f"{', '.join(f'{value} of place {place}' for place, value in unread[:1])}",
    )


def ignores_hidden_latents(case: Case) -> None:
    """What stands at hidden places changes nothing, where the config says that it ``hides`` places."""
    if not case.draws_wholes or not getattr(case.config, "hides", False):
        return
    module, latents, corrupted = case.build(), case.latents(), case.corrupted()
    hidden = corrupted.hidden
    assert hidden is not None
    given = call(case, module, "forward", latents, corrupted=corrupted)
    other = torch.where(hidden[..., None], latents + 1, latents)
    require(
        near(call(case, module, "forward", other, corrupted=corrupted), given, 1e-6),
        f"{case.name}: reads latents at hidden places, which are not drawn yet",
    )
    shown = torch.where(hidden[..., None], latents, latents + 1)
    require(
        not near(call(case, module, "forward", shown, corrupted=corrupted), given, 1e-4),
        f"{case.name}: does not read the places that are not hidden; `hidden` is true where a place is not drawn yet",
    )


def ignores_hidden_codes(case: Case) -> None:
    """An embedding that ``hides`` gives hidden places the same vector whatever their codes are, −1 included."""
    if not getattr(case.config, "hides", False) or not isinstance(case.ports["drawn"], Codes):
        return
    module, codes = case.build(), case.codes()
    hidden = torch.rand(codes.shape[:2], generator=torch.Generator().manual_seed(case.seed)) < 0.5
    hidden[:, 0], hidden[:, -1] = True, False
    whole = call(case, module, "forward", codes, first=0, corrupted=Corrupted(hidden=torch.zeros_like(hidden)))
    require(
        near(whole, call(case, module, "forward", codes), 1e-6),
        f"{case.name}: embeds a picture of which nothing is hidden in another way than a complete one",
    )
    vectors = call(case, module, "forward", codes, first=0, corrupted=Corrupted(hidden=hidden))
    for other in (codes.flip(0), torch.full_like(codes, -1)):
        spoiled = torch.where(hidden[..., None], other, codes)
        again = call(case, module, "forward", spoiled, first=0, corrupted=Corrupted(hidden=hidden))
        require(near(again, vectors, 1e-6), f"{case.name}: the vectors depend on the codes of hidden places")
    require(
        near(vectors[~hidden], whole[~hidden], 1e-6),
        f"{case.name}: the vectors of places that are not hidden depend on others",
    )
    port = case.ports["drawn"]
    for code in range(min(port.vocabulary, _CODES)):
        plain = call(case, module, "forward", torch.full_like(codes, code))
        require(
            not near(vectors[hidden], plain[hidden], 1e-6),
            f"{case.name}: hidden places have the vectors of code {code}, so that they cannot be told from it",
        )


def gives_the_squared_difference_of_its_values(case: Case) -> None:
    """The loss of a head of values is the mean squared difference of a place, summed over places, in float32 at least.

    States before those of the places are those of the embedding's vectors before them.
    """
    if not case.draws_wholes or case.draws_places:
        return
    module, port = case.build(dtype=torch.float64), case.gives
    hidden, latents = case.inputs().double(), case.latents().double()
    corrupted, target = case.corrupted(), case.latents().double().flip(2) + 1
    predicted = call(case, module, "forward", hidden, latents, corrupted=corrupted)
    made = call(case, module, "loss", hidden, latents, corrupted=corrupted, target=target)
    loss, count = checked_loss(case, "`loss`", made), ROWS * port.tokens
    require(
        float(loss.count) == count,
        f"{case.name}: `loss` counts {float(loss.count):g} instead of the {count} places of {ROWS} pictures",
    )
    exact = float((predicted.double() - target).square().mean(-1).sum())
    require(
        abs(float(loss.total) - exact) <= 1e-5 * abs(exact),
        f"{case.name}: `loss` is {float(loss.total):.6f}, but the squared differences of what it predicts, their mean "
        f"per place, add up to {exact:.6f}",
    )
    led = torch.cat((torch.ones_like(hidden[:, :1]), hidden), dim=1)
    shape = list(call(case, module, "forward", led, latents, corrupted=corrupted).shape)
    require(
        shape == [ROWS, port.tokens, port.width],
        f"{case.name}: with one state before those of {port.tokens} places it gave {shape}; the places are the last "
        f"{port.tokens} states",
    )
