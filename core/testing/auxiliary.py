"""The conformance test of parts with losses of their own, see ``AuxiliaryLosses``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..loss import Loss
from ..sequence.mask import Mask
from ..train.loop.blocks import part_blocks, prepare_blocks
from .calls import call, checked_loss, head_loss, near, run
from .case import Case, Failure, require

_SEVEN = 7.0
"""What padding holds: nothing that a loss may depend on."""


def gives_auxiliary_losses(case: Case) -> None:
    """The losses of a part's forward passes are declared, finite, given once, and add up over any split of a batch.

    They are the same where blocks are recomputed, and passes in eval mode or without gradients have none.
    """
    module: Any = case.build()
    if not callable(getattr(module, "auxiliary_losses", None)):
        return
    weights = _weights(case, module)
    module.train().requires_grad_(True)
    inputs = case.inputs()
    losses = _of_pass(case, module, lambda: _pass(case, module, inputs))
    require(
        set(losses) == set(weights),
        f"{case.name}: auxiliary_weights names {sorted(weights)}, but after a forward pass in training "
        f"auxiliary_losses gives {sorted(losses)}",
    )
    for name, loss in losses.items():
        require(bool(torch.isfinite(loss.total)), f"{case.name}: the loss '{name}' is not finite")
        require(float(loss.count) > 0, f"{case.name}: the loss '{name}' counts nothing")
        require(loss.total.requires_grad, f"{case.name}: the loss '{name}' has no gradient; do not detach it")
    _has_none_without_training(case, module, inputs)
    _adds_up(case, module, inputs, losses)
    if case.kind == "backbone":
        _leaves_padding_and_other_documents_out(case, module)
    _survives_recomputation(case, module, inputs, losses)


def _weights(case: Case, module: Any) -> Mapping[str, float]:
    declare = getattr(module, "auxiliary_weights", None)
    require(callable(declare), f"{case.name}: has auxiliary_losses, but no auxiliary_weights, which names them")
    weights = module.auxiliary_weights()
    fits = isinstance(weights, Mapping) and all(
        isinstance(name, str) and isinstance(weight, int | float) and 0 <= weight < math.inf
        for name, weight in weights.items()
    )
    require(fits, f"{case.name}: auxiliary_weights gives {weights!r}, expected names with weights of 0 or more")
    return weights  # type: ignore[no-any-return]


def _pass(case: Case, module: nn.Module, inputs: Tensor, first: int = 0) -> Tensor:
    if case.kind == "head":
        return head_loss(case, module, inputs, first).total
    return run(case, module, inputs, first)


def _of_pass(case: Case, module: Any, forward: Callable[[], Any]) -> dict[str, Loss]:
    """The losses after a forward pass, which are then gone."""
    torch.manual_seed(case.seed)
    forward()
    given = module.auxiliary_losses()
    require(isinstance(given, Mapping), f"{case.name}: auxiliary_losses gives {type(given).__name__}, expected a dict")
    losses = {name: checked_loss(case, f"the loss '{name}'", loss) for name, loss in given.items()}
    require(
        not module.auxiliary_losses(),
        f"{case.name}: auxiliary_losses gives the same losses twice; forget them when they were given",
    )
    return losses


def _has_none_without_training(case: Case, module: Any, inputs: Tensor) -> None:
    with torch.no_grad():
        idle = _of_pass(case, module, lambda: _pass(case, module, inputs))
    require(not idle, f"{case.name}: gives auxiliary losses of a pass without gradients")
    module.eval()
    idle = _of_pass(case, module, lambda: _pass(case, module, inputs))
    module.train()
    require(not idle, f"{case.name}: gives auxiliary losses of a pass in eval mode")


def _adds_up(case: Case, module: Any, inputs: Tensor, whole: Mapping[str, Loss]) -> None:
    torch.manual_seed(case.seed)
    before = torch.get_rng_state()
    _pass(case, module, inputs)
    module.auxiliary_losses()
    if not torch.equal(before, torch.get_rng_state()):
        return  # a part with dropout computes something else for each row

    def rows() -> None:
        for row in range(len(inputs)):
            _pass(case, module, inputs[row : row + 1], row)

    _require_same(
        case,
        _of_pass(case, module, rows),
        whole,
        "differs between a batch and its rows one by one; sum over rows, and take no mean and no product of means over "
        "a batch",
    )


def _leaves_padding_and_other_documents_out(case: Case, module: Any) -> None:
    inputs = case.inputs(1)
    length, first = inputs.shape[1], 3

    def forward(embeddings: Tensor, positions: list[int], documents: list[int]) -> Callable[[], Any]:
        places = torch.tensor([positions])
        return lambda: call(case, module, "forward", embeddings, places, mask=Mask(torch.tensor([documents])))

    def alone(piece: slice) -> dict[str, Loss]:
        some = inputs[:, piece]
        size = some.shape[1]
        return _of_pass(case, module, forward(some, list(range(size)), [0] * size))

    whole, pads = alone(slice(None)), torch.full_like(inputs[:, :first], _SEVEN)
    sides = {
        "left": forward(torch.cat((pads, inputs), 1), [0] * first + list(range(length)), [-1] * first + [0] * length),
        "right": forward(torch.cat((inputs, pads), 1), list(range(length)) + [0] * first, [0] * length + [-1] * first),
    }
    for side, padded in sides.items():
        clause = f"depends on padding on the {side}; leave out positions whose mask.declared_documents are -1"
        _require_same(case, _of_pass(case, module, padded), whole, clause)
    packed = forward(inputs, [*range(first), *range(length - first)], [0] * first + [1] * (length - first))
    pieces = [alone(slice(0, first)), alone(slice(first, length))]
    apart = {name: loss + pieces[1][name] for name, loss in pieces[0].items()}
    clause = "differs between two documents in a row and each alone; sum over positions or documents"
    _require_same(case, _of_pass(case, module, packed), apart, clause)


def _survives_recomputation(case: Case, module: Any, inputs: Tensor, plain: Mapping[str, Loss]) -> None:
    try:
        blocks = part_blocks(module)
    except ValueError as error:
        raise Failure(f"{case.name}: {error}; see Layered in janiform.contracts") from None

    def gradients(losses: Mapping[str, Loss]) -> dict[str, Tensor]:
        module.zero_grad()
        torch.stack([loss.total for loss in losses.values()]).sum().backward()  # type: ignore[no-untyped-call]
        return {name: weight.grad.clone() for name, weight in module.named_parameters() if weight.grad is not None}

    expected = gradients(_of_pass(case, module, lambda: _pass(case, module, inputs))) if plain else {}
    prepare_blocks({}, blocks)
    losses = _of_pass(case, module, lambda: _pass(case, module, inputs))
    _require_same(case, losses, plain, "is another where blocks are recomputed")
    found = gradients(losses) if plain else {}
    same = set(found) == set(expected) and all(near(found[name], expected[name], 1e-5) for name in found)
    require(same, f"{case.name}: the gradients of its auxiliary losses are others where blocks are recomputed")
    require(
        not module.auxiliary_losses(),
        f"{case.name}: gives auxiliary losses again after a backward pass that recomputes blocks; return from a block "
        "what they depend on, and keep that in the part",
    )


def _require_same(case: Case, found: Mapping[str, Loss], expected: Mapping[str, Loss], clause: str) -> None:
    require(
        set(found) == set(expected),
        f"{case.name}: auxiliary_losses gives {sorted(found)} instead of {sorted(expected)} for other inputs",
    )
    for name, loss in found.items():
        close = near(loss.total, expected[name].total, 1e-4) and float(loss.count) == float(expected[name].count)
        require(
            close,
            f"{case.name}: the loss '{name}' {clause} ({_shown(loss)} instead of {_shown(expected[name])})",
        )


def _shown(loss: Loss) -> str:
    return f"{float(loss.total.detach()):.6g} of {float(loss.count):g}"
