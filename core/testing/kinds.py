"""Conformance tests of single kinds. The table of kinds names them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from attrs import evolve
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..components.kinds import KINDS
from ..measure.mixing import mixing
from ..ports import Features, Grid, Hidden, Logits, PortMismatch
from . import backbones, latent_tokenizers, places, regression, scales, tokenizers, wholes
from .calls import call, checked_loss, near
from .case import Case, require

_LONG = (Grid(8, 8), Grid(24, 24))
"""Sizes of pictures that an adapter must map token by token too, beside the drawn size."""


def embeds_each_code_alone(case: Case) -> None:
    """A code at a position has the same vector alone as among all codes of the picture: codes are drawn singly.

    Those of scales are drawn together: see ``embeds_earlier_scales_only``.
    """
    if case.draws_wholes or case.draws_scales:
        return
    module, codes = case.build(), case.codes()
    whole = call(case, module, "forward", codes)
    for position in reversed(range(codes.shape[1])):  # the order must not matter
        alone = call(case, module, "forward", codes[:, position : position + 1], first=position)
        require(
            near(alone, whole[:, position : position + 1], 1e-6),
            f"{case.name}: code {position} of a picture has another vector alone than among all; count positions from "
            "`first`",
        )


def maps_each_token_alone_where_one_is_accepted(case: Case) -> None:
    """An adapter whose config accepts a source of one token maps each token alone, so that pathways can draw with it.

    An adapter that mixes tokens, at any length or in training mode, must refuse one token in ``adapt``.
    """
    source, hidden = case.ports["source"], case.ports["hidden"]
    assert isinstance(source, Features)
    assert isinstance(hidden, Hidden)
    try:
        accepted = case.config.adapt(evolve(source, tokens=1, grid=source.grid and Grid(1, 1)), hidden)
    except PortMismatch:
        return
    if accepted.tokens != 1:
        return
    for longer in (source, *(evolve(source, tokens=grid.size, grid=source.grid and grid) for grid in _LONG)):
        _maps_each_token_alone(evolve(case, ports={**case.ports, "source": longer}))


def _maps_each_token_alone(case: Case) -> None:
    source = case.ports["source"]
    assert isinstance(source, Features)
    try:
        if case.gives.tokens != source.tokens:
            return
    except PortMismatch:
        return
    module, inputs = case.build(), case.inputs(1)
    call(case, module, "forward", inputs)
    clause = mixing(module, inputs, 1e-5, "token")
    require(
        not clause,
        f"{case.name}: accepts a source of one token, but mixes tokens: of {source.tokens}, {clause}; codes are drawn "
        "one after the other: raise PortMismatch in `adapt` for a source of one token, or map each token alone",
    )


def gives_the_cross_entropy_of_its_logits(case: Case) -> None:
    """The loss of a head is the cross-entropy of the logits that it samples from, in float64, and adds up over parts.

    Where a code has several levels, the logits of a level depend on the codes before it: the chosen ones when sampling,
    those of the target in the loss. A class with ``wider = True`` may have a larger loss, since its softmax has more
    entries than the codes.
    """
    if not isinstance(case.gives, Logits):
        return
    module, port = case.build(dtype=torch.float64), case.gives
    hidden = case.inputs(6).double()
    chance = torch.Generator().manual_seed(case.seed)
    codes = torch.randint(port.vocabulary, (6, port.depth), generator=chance)
    loss = checked_loss(case, "`loss`", call(case, module, "loss", hidden, codes))
    require(
        float(loss.count) == codes.numel(),
        f"{case.name}: `loss` counts {float(loss.count):g} codes instead of {codes.numel()}",
    )
    sampled_from: list[Tensor] = []

    def choose(logits: Tensor, level: int | None = None) -> Tensor:
        sampled_from.append(logits)
        return codes[:, _level(case, level)]

    call(case, module, "sample", hidden, choose=choose)
    if len(sampled_from) == port.depth:  # `samples_the_chosen_codes` fails otherwise
        require(
            near(sampled_from[0], call(case, module, "forward", hidden), 1e-6),
            f"{case.name}: the first logits that it samples from differ from those that `forward` gives",
        )
        exact = cross_entropy(torch.cat(sampled_from), codes.T.flatten(), reduction="sum")
        excess = float(loss.total.detach()) - float(exact.detach())
        wider = bool(getattr(type(module), "wider", False))
        require(
            abs(excess) <= 1e-5 * abs(float(exact)) or (wider and excess > 0),
            f"{case.name}: `loss` is {float(loss.total):.6f} nats, but the cross-entropy of its logits is "
            f"{float(exact):.6f}",
        )
    parts = call(case, module, "loss", hidden[:2], codes[:2]) + call(case, module, "loss", hidden[2:], codes[2:])
    require(
        abs(float(parts.total - loss.total)) <= 1e-5 * abs(float(loss.total)),
        f"{case.name}: the losses of two parts of a batch do not add up to that of the whole; sum them, do not average",
    )


def _level(case: Case, level: int | None) -> int:
    """The level that a head passed to ``choose``; a head of one level may leave it out."""
    depth = case.gives.depth
    require(level is not None or depth == 1, f"{case.name}: called `choose` without the level, which it must name")
    return level or 0


def samples_the_chosen_codes(case: Case) -> None:
    """``sample`` calls ``choose`` once per level, in order, with logits [R, V], and gives the chosen codes [R, d]."""
    if not isinstance(case.gives, Logits):
        return
    module, hidden, port = case.build(), case.inputs(), case.gives
    shapes: list[list[int]] = []
    levels: list[int] = []
    chosen: list[Tensor] = []
    chance = torch.Generator().manual_seed(case.seed)

    def choose(logits: Tensor, level: int | None = None) -> Tensor:
        shapes.append(list(logits.shape))
        levels.append(_level(case, level))
        chosen.append(torch.randint(port.vocabulary, (len(logits),), generator=chance))
        return chosen[-1]

    codes = call(case, module, "sample", hidden, choose=choose)
    require(
        shapes == [[len(hidden), port.vocabulary]] * port.depth,
        f"{case.name}: called `choose` with logits of shapes {shapes} instead of {port.depth} times with "
        f"{[len(hidden), port.vocabulary]}",
    )
    require(
        levels == list(range(port.depth)),
        f"{case.name}: called `choose` for the levels {levels} instead of each of 0 to {port.depth - 1} in order",
    )
    require(
        list(codes.shape) == [len(hidden), port.depth],
        f"{case.name}: `sample` gave {list(codes.shape)} instead of {[len(hidden), port.depth]}",
    )
    require(
        torch.equal(codes, torch.stack(chosen, dim=1)),
        f"{case.name}: `sample` gave other codes than `choose` chose; return what it gives, level by level",
    )


_CHECKS = (
    vars(tokenizers)
    | vars(latent_tokenizers)
    | vars(backbones)
    | vars(wholes)
    | vars(places)
    | vars(regression)
    | vars(scales)
    | globals()
)

KIND_CHECKS: dict[str, tuple[Callable[[Case], None], ...]] = {
    kind.name: tuple(_CHECKS[check] for check in kind.all_checks) for kind in KINDS.values() if kind.all_checks
}
"""The checks by the kinds whose rows in the table name them."""


def checks_of(kind: str, config: object) -> tuple[Callable[[Case], None], ...]:
    """The checks of a kind that apply to a config, or to a class of configs."""
    return tuple(_CHECKS[check] for check in KINDS[kind].checks_of(config))
