"""Calls of a part, guarded so that a failure names its cause, and comparisons of what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..guidance import Guidance
from ..loss import Loss
from ..sequence.corruption import Corrupted
from ..sequence.mask import Mask
from ..sequence.places import PlaceNoise, PlaceSampling
from .case import Case, require, torch_randomness_only


def call(case: Case, module: nn.Module, method: str, *tensors: Tensor, **others: Any) -> Any:
    """Call a method of a part, or the part itself for ``forward``.

    Raises ``Failure`` where the call changes its tensors in place, or changes the names of the part's state, also where
    another exception follows from that.
    """
    function: Callable[..., Any] = module if method == "forward" else getattr(module, method)
    copies = [tensor.clone() for tensor in tensors]  # a leaf that requires gradients refuses changes in place
    names = state_names(module)
    try:
        with torch_randomness_only(case.name, f"`{method}`"):
            return function(*copies, **others)
    finally:
        made = state_names(module) - names
        require(
            not made,
            f"{case.name}: {', '.join(sorted(made))} is made in the first `{method}`, so a checkpoint cannot fill it; "
            "make it in __init__",
        )
        require(
            names <= state_names(module),
            f"{case.name}: `{method}` removes {', '.join(sorted(names - state_names(module)))} from its state",
        )
        changed = any(not _same(copy, tensor) for copy, tensor in zip(copies, tensors, strict=True))
        require(not changed, f"{case.name}: `{method}` changes its input in place; compute a new tensor")


def state_names(module: nn.Module) -> set[str]:
    """The names of all parameters and buffers."""
    return {name for name, _ in (*module.named_parameters(), *module.named_buffers())}


def _same(copy: Tensor, tensor: Tensor) -> bool:
    return copy.shape == tensor.shape and bool(torch.equal(copy.detach(), tensor.detach()))


def run(case: Case, module: nn.Module, inputs: Tensor, first: int = 0) -> Tensor:
    """One forward pass: for a tokenizer the decoding of random codes, or encoding where it has no decoder; for a
    backbone a causal pass.

    Of codes with an embedding that hides places, every other place is hidden.
    ``first``: the number of the first row, for pictures with times, which differ from row to row.
    """
    if case.decodes:
        output = call(case, module, "decode", to_decode(case, module, len(inputs)))
    elif case.kind == "tokenizer":
        output = call(case, module, "encode", inputs)
    elif case.kind == "backbone":
        positions = torch.arange(inputs.shape[1], device=inputs.device).expand(inputs.shape[:2])
        output = call(case, module, "forward", inputs, positions, mask=Mask.causal())
    elif case.draws_wholes:
        corrupted = case.corrupted(len(inputs), first)
        if case.kind == "embedding":
            output = call(case, module, "forward", inputs, corrupted=corrupted)
        else:
            output = call(case, module, "forward", inputs, case.latents(len(inputs), first), corrupted=corrupted)
    elif case.kind == "embedding" and getattr(case.config, "hides", False):
        every_other = torch.arange(inputs.shape[1], device=inputs.device).expand(inputs.shape[:2]) % 2 == 1
        output = call(case, module, "forward", inputs, first=0, corrupted=Corrupted(hidden=every_other))
    else:
        output = call(case, module, "forward", inputs)
    require(isinstance(output, Tensor), f"{case.name}: gave {type(output).__name__}, not a tensor")
    return output  # type: ignore[no-any-return]


def to_decode(case: Case, module: nn.Module, rows: int) -> Tensor:
    """What a tokenizer decodes: random codes, or random latents in the data type of its weights."""
    if not case.has_latents:
        return case.codes(rows)
    dtype = next((parameter.dtype for parameter in module.parameters()), torch.float32)
    return case.latents(rows).to(dtype)


def outputs(case: Case, module: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """The results of all methods of a part, by the methods' names."""
    first = "forward" if case.kind != "tokenizer" else "decode" if case.decodes else "encode"
    results = {first: run(case, module, inputs)}
    if case.has_latents:
        results["encode"] = call(case, module, "encode", inputs)
        results["encode with noise"] = call(case, module, "encode", inputs, noise=case.latents(len(inputs)))
    elif case.kind == "tokenizer":
        results["encode"] = call(case, module, "encode", inputs)
        results["vectors"] = call(case, module, "vectors", case.codes(len(inputs)))
    elif case.kind == "backbone":
        results["embed"] = call(case, module, "embed", torch.arange(min(6, case.gives.vocabulary))[None])
        results["logits"] = call(case, module, "logits", results["forward"])
    elif case.kind == "head":
        results["loss"] = head_loss(case, module, inputs).total
        if case.draws_places:
            chance = [torch.Generator().manual_seed(case.seed + row) for row in range(len(inputs))]
            sampling = PlaceSampling(Guidance.plain(1.0), chance, results["forward"].shape[1])
            results["sample"] = sampled_places(case, module, results["forward"], sampling)
    elif case.draws_wholes:
        results["forward of complete pictures"] = call(case, module, "forward", inputs)
    return results


def head_loss(case: Case, module: nn.Module, inputs: Tensor, first: int = 0) -> Loss:
    """The loss of a head for one code in all rows, or for random values of places or of whole pictures."""
    if case.draws_latents_singly:
        latents = case.latents(len(inputs), first)[:, 0]
        return checked_loss(case, "`loss`", call(case, module, "loss", inputs, latents))
    if not case.draws_wholes:
        codes = case.codes(1)[0, :1].expand(len(inputs), -1)
        return checked_loss(case, "`loss`", call(case, module, "loss", inputs, codes))
    latents, corrupted = case.latents(len(inputs), first), case.corrupted(len(inputs), first)
    if case.draws_places:
        assert corrupted.hidden is not None
        assert corrupted.seeds is not None
        places = corrupted.hidden.flatten().nonzero().flatten()
        conditions = run(case, module, inputs, first).flatten(0, 1)[places]
        noise = PlaceNoise(corrupted.seeds, places, latents.shape[1])
        target = latents.flip(1).flatten(0, 1)[places]
        return checked_loss(case, "`loss`", call(case, module, "loss", conditions, target, noise=noise))
    made = call(case, module, "loss", inputs, latents, corrupted=corrupted, target=latents.flip(1))
    return checked_loss(case, "`loss`", made)


def sampled_places(case: Case, module: nn.Module, conditions: Tensor, sampling: PlaceSampling) -> Tensor:
    """The values [R, C] that a head draws for conditions [G·n, N, Z] of all places of n pictures."""
    values = call(case, module, "sample", conditions.flatten(0, 1), sampling=sampling)
    require(isinstance(values, Tensor), f"{case.name}: `sample` gave {type(values).__name__}, not a tensor")
    return values  # type: ignore[no-any-return]


def training_loss(case: Case, module: nn.Module) -> Tensor:
    """A scalar that depends on every parameter of the part."""
    inputs = case.inputs()
    if case.decodes:
        losses, _ = losses_of(case, module, inputs)
        return torch.stack([loss.mean for loss in losses.values()]).sum()
    if inputs.is_floating_point():
        inputs.requires_grad_(True)  # so that gradients flow through a part without parameters
    if case.kind == "head":
        return head_loss(case, module, inputs).mean
    output = run(case, module, inputs).float()  # of a tokenizer without a decoder, what it encodes
    if case.kind == "backbone":
        embedded = call(case, module, "embed", torch.arange(4)[None])
        logits = call(case, module, "logits", run(case, module, embedded))
        output = torch.cat((output.flatten(), logits.flatten()))
    return (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()


def losses_of(case: Case, module: nn.Module, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
    """The losses and figures of a tokenizer. Raises ``Failure`` where their types are others."""
    given = call(case, module, "losses", pixels)
    require(
        isinstance(given, tuple) and len(given) == 2 and all(isinstance(table, dict) for table in given),
        f"{case.name}: `losses` gives {type(given).__name__}, expected a tuple of two dicts: losses and figures",
    )
    losses, figures = given
    require(bool(losses), f"{case.name}: gives no losses to train with")
    for name, loss in losses.items():
        checked_loss(case, f"the loss '{name}'", loss)
    for name, figure in figures.items():
        require(
            isinstance(figure, Tensor) and figure.numel() == 1,
            f"{case.name}: the figure '{name}' is not a scalar tensor",
        )
    return losses, figures


def checked_loss(case: Case, what: str, loss: Any) -> Loss:
    """The loss itself. Raises ``Failure`` unless it is a ``Loss`` of two scalar tensors."""
    require(isinstance(loss, Loss), f"{case.name}: {what} is {type(loss).__name__}, not a janiform.Loss")
    for field, value in (("total", loss.total), ("count", loss.count)):
        require(
            isinstance(value, Tensor),
            f"{case.name}: the {field} of {what} is {type(value).__name__}, expected a scalar tensor",
        )
        require(
            value.dim() == 0,
            f"{case.name}: the {field} of {what} is {list(value.shape)}, expected a scalar; sum over the batch",
        )
    return loss  # type: ignore[no-any-return]


def near(given: Tensor, exact: Tensor, tolerance: float) -> bool:
    """Whether the tensors differ by at most ``tolerance`` times the largest value."""
    return given.shape == exact.shape and apart(given, exact) <= tolerance


def apart(given: Tensor, exact: Tensor) -> float:
    """The largest difference, as a fraction of the largest value."""
    given, exact = given.detach(), exact.detach()
    return float((given - exact).abs().max() / exact.abs().max().clamp(min=1e-6))
