"""Conformance tests of single kinds. The table of kinds names them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..components.kinds import KINDS
from ..loss import Loss
from ..sequence.cache import KVCache
from ..sequence.mask import Mask
from ..train.loop.blocks import part_blocks, prepare_blocks
from .case import ROWS, Case, Failure, require
from .common import apart, near


def encodes_codes_of_its_port(case: Case) -> None:
    """``encode`` gives codes of the declared grid, depth and vocabulary, independent of the rest of the batch."""
    module, pixels, port = case.build(), case.inputs(), case.gives
    codes = module.encode(pixels)  # type: ignore[operator]
    wanted = [ROWS, port.tokens, port.depth]
    require(
        codes.dtype == torch.int64 and list(codes.shape) == wanted,
        f"{case.name}: declares {port}, so encode gives int64 {wanted}; it gave {codes.dtype} {list(codes.shape)}",
    )
    low, high = int(codes.min()), int(codes.max())
    require(
        low >= 0 and high < port.vocabulary,
        f"{case.name}: gave codes {low} .. {high}, but its vocabulary has {port.vocabulary}",
    )
    alone = torch.cat([module.encode(pixels[row : row + 1]) for row in range(ROWS)])  # type: ignore[operator]
    require(torch.equal(alone, codes), f"{case.name}: the codes of a picture depend on the rest of the batch")


def gives_vectors_of_its_width(case: Case) -> None:
    """``vectors`` of codes are [B, N, width], equal for equal codes."""
    module, codes, port = case.build(), case.codes(), case.gives
    vectors = module.vectors(codes)  # type: ignore[operator]
    wanted = [ROWS, port.tokens, port.width]
    require(list(vectors.shape) == wanted, f"{case.name}: vectors are {list(vectors.shape)}, not {wanted}")
    same = torch.full_like(codes, int(codes.flatten()[0]))
    flat = module.vectors(same).flatten(0, 1)  # type: ignore[operator]
    require(
        torch.equal(flat, flat[:1].expand_as(flat)), f"{case.name}: `vectors` gives different vectors for the same code"
    )


def embeds_each_code_alone(case: Case) -> None:
    """A code at a position has the same vector alone as among all codes of the picture: codes are drawn singly."""
    module, codes = case.build(), case.codes()
    whole = module(codes)
    for position in range(codes.shape[1]):
        alone = module(codes[:, position : position + 1], position)
        require(
            near(alone, whole[:, position : position + 1], 1e-6),
            f"{case.name}: code {position} of a picture has another vector alone than among all; count positions from "
            "`first`",
        )


def gives_losses_as_sums_and_counts(case: Case) -> None:
    """The losses of a tokenizer are finite ``Loss`` pairs, and its figures are scalars."""
    module, pixels = case.build(), case.inputs(4)
    whole, figures = module.losses(pixels)  # type: ignore[operator]
    require(bool(whole), f"{case.name}: gives no losses to train with")
    for name, loss in whole.items():
        require(isinstance(loss, Loss), f"{case.name}: the loss '{name}' is {type(loss).__name__}, not a janiform.Loss")
        require(math.isfinite(float(loss.mean)), f"{case.name}: the loss '{name}' is not finite")
    for name, figure in figures.items():
        require(
            isinstance(figure, Tensor) and figure.numel() == 1,
            f"{case.name}: the figure '{name}' is not a scalar tensor",
        )


def gives_the_cross_entropy_of_its_logits(case: Case) -> None:
    """The loss of a head is the cross-entropy of the logits that it samples from, in float64, and adds up over parts.

    Where a code has several levels, the logits of a level depend on the codes before it: the chosen ones when sampling,
    those of the target in the loss. A class with ``wider = True`` may have a larger loss, since its softmax has more
    entries than the codes.
    """
    module, port = case.build(dtype=torch.float64), case.gives
    hidden = case.inputs(6).double()
    chance = torch.Generator().manual_seed(case.seed)
    codes = torch.randint(port.vocabulary, (6, port.depth), generator=chance)
    loss = module.loss(hidden, codes)  # type: ignore[operator]
    require(isinstance(loss, Loss), f"{case.name}: `loss` gives {type(loss).__name__}, not a janiform.Loss")
    require(
        float(loss.count) == codes.numel(),
        f"{case.name}: `loss` counts {float(loss.count):g} codes instead of {codes.numel()}",
    )
    sampled_from: list[Tensor] = []

    def choose(logits: Tensor, level: int | None = None) -> Tensor:
        sampled_from.append(logits)
        return codes[:, _level(case, level)]

    module.sample(hidden, choose)  # type: ignore[operator]
    if len(sampled_from) == port.depth:  # `samples_the_chosen_codes` fails otherwise
        require(
            near(sampled_from[0], module(hidden), 1e-6),
            f"{case.name}: the first logits that it samples from differ from those that `forward` gives",
        )
        exact = cross_entropy(torch.cat(sampled_from), codes.T.flatten(), reduction="sum")
        excess = float(loss.total) - float(exact)
        wider = bool(getattr(type(module), "wider", False))
        require(
            abs(excess) <= 1e-5 * abs(float(exact)) or (wider and excess > 0),
            f"{case.name}: `loss` is {float(loss.total):.6f} nats, but the cross-entropy of its logits is "
            f"{float(exact):.6f}",
        )
    parts = module.loss(hidden[:2], codes[:2]) + module.loss(hidden[2:], codes[2:])  # type: ignore[operator]
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
    module, hidden, port = case.build(), case.inputs(), case.gives
    shapes: list[list[int]] = []
    levels: list[int] = []

    def choose(logits: Tensor, level: int | None = None) -> Tensor:
        shapes.append(list(logits.shape))
        levels.append(_level(case, level))
        return logits.argmax(dim=-1)

    codes = module.sample(hidden, choose)  # type: ignore[operator]
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


def embeds_ids_and_gives_logits(case: Case) -> None:
    """``embed`` gives vectors of the hidden width, and ``logits`` has the size of the vocabulary."""
    module, port = case.build(), case.gives
    ids = torch.arange(min(6, port.vocabulary))[None]
    embedded = module.embed(ids)  # type: ignore[operator]
    require(
        list(embedded.shape) == [1, ids.shape[1], port.width],
        f"{case.name}: embed gives {list(embedded.shape)}, not {[1, ids.shape[1], port.width]}",
    )
    logits = module.logits(embedded)  # type: ignore[operator]
    require(
        logits.shape[-1] == port.vocabulary,
        f"{case.name}: gives {logits.shape[-1]} logits, but declares a vocabulary of {port.vocabulary}",
    )


def attends_to_earlier_positions_only(case: Case) -> None:
    """Under a causal mask no position depends on a later one."""
    module, inputs = case.build(), case.inputs(1)
    positions = torch.arange(inputs.shape[1])[None]
    whole = module(inputs, positions, Mask.causal())
    changed = inputs.clone()
    changed[:, -1] += 1
    require(
        near(module(changed, positions, Mask.causal())[:, :-1], whole[:, :-1], 1e-6),
        f"{case.name}: a position depends on a later one; pass the mask to janiform.attend",
    )


def continues_from_its_cache(case: Case) -> None:
    """A prompt followed by single positions with a cache gives the same as the whole sequence at once."""
    module, inputs, port = case.build(), case.inputs(), case.gives
    rows, length = inputs.shape[:2]
    positions = torch.arange(length).expand(rows, length)
    whole = module(inputs, positions, Mask.causal())
    cache = KVCache(port.layers, rows, port.kv_heads, length, port.head_width)
    first = length // 2
    pieces = [module(inputs[:, :first], positions[:, :first], Mask.causal(), cache)]
    for position in range(first, length):
        step = slice(position, position + 1)
        pieces.append(module(inputs[:, step], positions[:, step], Mask.causal(), cache))
    require(cache.filled == length, f"{case.name}: advanced its cache to {cache.filled} positions instead of {length}")
    given = torch.cat(pieces, dim=1)
    require(
        near(given, whole, 1e-5),
        f"{case.name}: with a cache its outputs differ by {apart(given, whole):.1e} from those without one",
    )


def ignores_padding(case: Case) -> None:
    """A row that is padded on its left gives the same as without padding."""
    module, inputs = case.build(), case.inputs(1)
    length, padding = inputs.shape[1], 3
    alone = module(inputs, torch.arange(length)[None], Mask.causal())
    padded = torch.cat((torch.full_like(inputs[:, :padding], 7.0), inputs), dim=1)
    documents = torch.tensor([[-1] * padding + [0] * length])
    positions = torch.tensor([[0] * padding + list(range(length))])
    given = module(padded, positions, Mask(documents))[:, padding:]
    require(
        near(given, alone, 1e-5),
        f"{case.name}: padding on the left changes its outputs by {apart(given, alone):.1e}; use the given positions, "
        "and "
        "pass the mask to janiform.attend",
    )


def runs_its_blocks(case: Case) -> None:
    """Every block of a backbone runs in a forward pass, and recomputing all of them changes no value or gradient."""
    module, inputs = case.build(), case.inputs()
    try:
        blocks = part_blocks(module)
    except ValueError as error:
        raise Failure(f"{case.name}: {error}; see Layered in janiform.contracts") from None
    positions = torch.arange(inputs.shape[1]).expand(inputs.shape[:2])

    def learned() -> list[Tensor]:
        module.zero_grad()
        output = module(inputs, positions, Mask.causal())
        output.square().sum().backward()
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        return [output.detach(), *(gradient.clone() for gradient in gradients)]

    module.requires_grad_(True)
    plain = learned()
    ran: set[str] = set()
    for name, block in blocks.items():
        block.forward = _noting(ran, name, block.forward)
    prepare_blocks({}, blocks)
    again = learned()
    idle = [name for name in blocks if name not in ran]
    require(
        not idle,
        f"{case.name}: its forward does not call {', '.join(idle)}, so that nothing is recomputed or compiled there; "
        "declare the layers that it calls by a method blocks()",
    )
    require(
        len(plain) == len(again) and all(near(left, right, 1e-5) for left, right in zip(plain, again, strict=True)),
        f"{case.name}: gives other values or gradients when its blocks are recomputed",
    )


def _noting(ran: set[str], name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    def noting(*arguments: Any, **named: Any) -> Any:
        ran.add(name)
        return forward(*arguments, **named)

    return noting


KIND_CHECKS: dict[str, tuple[Callable[[Case], None], ...]] = {
    kind.name: tuple(globals()[check] for check in kind.checks) for kind in KINDS.values() if kind.checks
}
"""The functions above by the kinds whose rows in the table name them."""
