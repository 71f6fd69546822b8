"""Conformance tests of tokenizers of codes, and of the losses of all tokenizers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..ports import Codes
from ..sequence.codes import with_given
from .calls import apart, call, losses_of, near
from .case import ROWS, Case, require


def encodes_codes_of_its_port(case: Case) -> None:
    """``encode`` gives codes of the declared grid, depth and vocabulary, independent of the rest of the batch."""
    module, pixels, port = case.build(), case.inputs(), case.gives
    codes = call(case, module, "encode", pixels)
    wanted = [ROWS, port.tokens, port.depth]
    require(
        codes.dtype == torch.int64 and list(codes.shape) == wanted,
        f"{case.name}: declares {port}, so encode gives int64 {wanted}; it gave {codes.dtype} {list(codes.shape)}",
    )
    for what, inputs in (("", pixels), *case.extremes()):
        given = call(case, module, "encode", inputs)
        require(
            torch.equal(given, with_given(given, port)),
            f"{case.name}: `encode` does not put the codes that its port declares as given at their places",
        )
        predicted = given[:, port.predicted]
        low, high = int(predicted.min()), int(predicted.max())
        require(
            low >= 0 and high < port.vocabulary,
            f"{case.name}: gave codes {low} .. {high}{what and f' for {what}'}, but its vocabulary has "
            f"{port.vocabulary}",
        )
    alone = torch.cat([call(case, module, "encode", pixels[row : row + 1]) for row in range(ROWS)])
    require(torch.equal(alone, codes), f"{case.name}: the codes of a picture depend on the rest of the batch")


def gives_vectors_of_its_width(case: Case) -> None:
    """``vectors`` of codes are [B, N, width], equal for equal codes."""
    module, codes, port = case.build(), case.codes(), case.gives
    vectors = call(case, module, "vectors", codes)
    wanted = [ROWS, port.tokens, port.width]
    require(list(vectors.shape) == wanted, f"{case.name}: vectors are {list(vectors.shape)}, not {wanted}")
    same = with_given(torch.full_like(codes, int(codes.flatten()[0])), port)
    flat = call(case, module, "vectors", same)[:, port.predicted].flatten(0, 1)
    require(
        torch.equal(flat, flat[:1].expand_as(flat)), f"{case.name}: `vectors` gives different vectors for the same code"
    )


def gives_vectors_of_each_code_alone(case: Case) -> None:
    """``vectors`` of some consecutive places are those among all: pictures are drawn and embedded place by place."""
    module, codes = case.build(), case.codes()
    whole = call(case, module, "vectors", codes)
    for position in reversed(range(codes.shape[1])):  # the order must not matter
        alone = call(case, module, "vectors", codes[:, position : position + 1])
        require(
            list(alone.shape) == [ROWS, 1, case.gives.width] and near(alone, whole[:, position : position + 1], 1e-6),
            f"{case.name}: code {position} of a picture has another vector alone than among all; `vectors` takes any "
            "number of places",
        )


def decodes_from_its_vectors(case: Case) -> None:
    """``decode`` depends on a code as ``vectors`` does: at its position, on its level, by the same weights."""
    module, codes, port = case.build(), case.codes(1), case.gives
    vectors, pixels = call(case, module, "vectors", codes), call(case, module, "decode", codes)
    for level in range(port.depth):
        places = port.predicted
        position = places[case.seed % len(places)]
        changed = codes.clone()
        changed[0, position, level] = (changed[0, position, level] + 1) % port.vocabulary
        moved = (call(case, module, "vectors", changed) != vectors).any(dim=-1)[0]
        others = torch.arange(port.tokens) != position
        require(
            not bool((moved & others).any()),
            f"{case.name}: the code at position {position} changes the vectors at other positions; `vectors` is in the "
            "order of the codes",
        )
        redrawn = not torch.equal(call(case, module, "decode", changed), pixels)
        require(
            bool(moved[position]) == redrawn,
            f"{case.name}: the code at position {position}, level {level} changes what "
            f"`{'decode' if redrawn else 'vectors'}` gives, but not what `{'vectors' if redrawn else 'decode'}` gives; "
            "both must use all levels of the code",
        )
    _reads_the_same_weights(case, module, codes)


def _reads_the_same_weights(case: Case, module: nn.Module, codes: Tensor) -> None:
    """``decode`` reads all elements of weights that ``vectors`` reads, and nothing of a code that vectors lack.

    A class with ``dual = True`` has vectors of which some elements are for other uses than pixels.
    """
    module.requires_grad_(True)
    read_by = {method: _gradients(case, module, method, codes) for method in ("vectors", "decode")}
    dual = bool(getattr(type(module), "dual", False))
    for name, elements in () if dual else read_by["vectors"].items():
        outside = elements & ~read_by["decode"].get(name, torch.zeros_like(elements))
        require(
            not bool(outside.any()),
            f"{case.name}: `vectors` reads elements of {name} for a code that `decode` does not read; both must look "
            "up the same vectors",
        )
    module.requires_grad_(False)
    vectors, pixels = call(case, module, "vectors", codes), call(case, module, "decode", codes)
    tables = {name: weight for name, weight in module.named_parameters() if name in read_by["vectors"]}
    for weight in tables.values():
        weight.mul_(1.5)
    if apart(call(case, module, "vectors", codes), vectors) < 1e-4:
        require(
            apart(call(case, module, "decode", codes), pixels) < 1e-2,
            f"{case.name}: `vectors` does not depend on the scale of {', '.join(tables)}, but `decode` does; both must "
            "normalise the vectors",
        )


def _gradients(case: Case, module: nn.Module, method: str, codes: Tensor) -> dict[str, Tensor]:
    """The elements of the weights that a method reads, by the weights' names."""
    named = dict(module.named_parameters())
    output: Tensor = call(case, module, method, codes)
    if not output.requires_grad:
        return {}
    # Random weights, as a regular sequence is orthogonal to some rows of transforms such as a DCT.
    weights = torch.rand(output.shape, generator=torch.Generator().manual_seed(case.seed)) + 0.5
    gradients = torch.autograd.grad((output * weights).sum(), list(named.values()), allow_unused=True)
    return {name: grad != 0 for name, grad in zip(named, gradients, strict=True) if grad is not None}


def gives_the_vectors_that_it_trains(case: Case) -> None:
    """Where a tokenizer has ``losses_and_vectors``, it gives what ``losses`` gives, and the vectors of its codes or its
    latents, with gradients to what encodes pictures."""
    module, pixels = case.build(), case.inputs()
    if not callable(getattr(module, "losses_and_vectors", None)):
        return
    module.requires_grad_(True)
    losses, _, vectors = call(case, module, "losses_and_vectors", pixels)
    alone, _ = losses_of(case, module, pixels)
    require(
        losses.keys() == alone.keys()
        and all(torch.equal(loss.total, alone[name].total) for name, loss in losses.items()),
        f"{case.name}: `losses_and_vectors` gives other losses than `losses`",
    )
    encoded = call(case, module, "encode", pixels)
    expected = encoded if case.has_latents else call(case, module, "vectors", encoded)
    port = case.gives
    if isinstance(port, Codes) and port.scales:  # how scales are added up is the tokenizer's own
        summed = list(vectors.shape) == [len(pixels), port.grid.size, port.width]
    else:
        summed = near(vectors.float(), expected.float(), 1e-4)
    require(
        summed,
        f"{case.name}: `losses_and_vectors` gives {list(vectors.shape)}, which are not "
        f"{'its latents' if case.has_latents else 'the vectors of its codes'}, {list(expected.shape)}",
    )
    named = dict(module.named_parameters())
    reached = _reached(vectors, named) - (set() if case.has_latents else _reached(expected, named))
    require(
        bool(reached),
        f"{case.name}: no gradient of the vectors that `losses_and_vectors` gives reaches what encodes pictures; let "
        "it pass through the quantiser",
    )


def _reached(output: Tensor, named: dict[str, nn.Parameter]) -> set[str]:
    """The names of the weights that the gradient of an output reaches."""
    if not output.requires_grad:
        return set()
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, gradients, strict=True) if gradient is not None}


def gives_losses_as_sums_and_counts(case: Case) -> None:
    """The losses of a tokenizer are finite sums with counts: twice the pictures give twice both.

    One without a decoder has none.
    """
    if not case.decodes:
        return
    module, pixels = case.build(), case.inputs(4)
    whole, _ = losses_of(case, module, pixels)
    for name, loss in whole.items():
        require(math.isfinite(float(loss.mean.detach())), f"{case.name}: the loss '{name}' is not finite")
    twice, _ = losses_of(case, module, torch.cat((pixels, pixels)))
    for name, loss in whole.items():
        total, count = float(twice[name].total.detach()), float(twice[name].count)
        require(
            abs(total - 2 * float(loss.total.detach())) <= 1e-3 * max(abs(total), 1e-6),
            f"{case.name}: the total of the loss '{name}' is not twice as large for twice the pictures; it is a mean: "
            "sum it, or multiply it by its count",
        )
        require(
            abs(count - 2 * float(loss.count)) < 1e-3,
            f"{case.name}: the count of the loss '{name}' is {count:g} for twice the pictures, expected "
            f"{2 * float(loss.count):g}; count pictures, pixels or codes",
        )
    for what, inputs in case.extremes():
        for name, loss in losses_of(case, module, inputs)[0].items():
            require(
                math.isfinite(float(loss.mean.detach())), f"{case.name}: the loss '{name}' is not finite for {what}"
            )
