"""Checks that each part returns what its config declares, on the meta device, before training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..compose.diagnostics import Diagnostics
from ..compose.plan import PartPlan, PathwayShape, Plan
from ..contracts.factories import missing_names
from ..errors import CompositionError
from ..model.meta import MetaShapes, tensors_on
from ..model.modules import build_modules
from ..ports import Codes, Features, Hidden, Latents, Logits, PlaceValues, Values
from ..sequence.mask import Mask
from .costs import pixels_of
from .mixing import mixing
from .pictures import embedding_call, empty_corrupted, head_call

_POSITIONS = 3
"""Length of texts and states in the checks, where the part does not set it."""

_LARGEST = 1 << 26
"""Parameters of a part that is built on the CPU to be checked with values; those of every projection there is."""

_MIXED = 1e-4
"""The smallest difference, relative to the largest value, between the vectors of a code alone and among others."""

Trial = tuple[str, Callable[[], Any], tuple[int, ...]]
"""Name of a method, a call of it, and the shape that its result must have."""


def check_contracts(plan: Plan, modules: Mapping[str, nn.Module] | None = None) -> None:
    """Call every part of a plan on the meta device, and compare the results with the ports that it declares.

    ``modules`` are the plan's modules on the meta device; they are built where not given. A part that fails there, as
    where it reads values, is called once more on the CPU; a large one is only not checked where it reads values.
    Adapters of pathways that draw are called on the CPU too, since they must map each code alone; and so are embeddings
    of latents that are drawn place by place.

    Raises ``CompositionError`` with every part that fails, or whose results differ.
    """
    modules = build_modules(plan, device="meta") if modules is None else modules
    diagnostics = Diagnostics(plan.recipe)
    for path, module in modules.items():
        part = plan.parts[path]
        source = f"{part.use.component.reference}, from {part.use.component.provider},"
        if missing := missing_names(part.use.kind, module, part.output):
            diagnostics.add(path, f"{source} makes a {type(module).__name__}, {missing}", "fix the plugin")
            continue
        problem = (
            _first_problem(plan, part, module, source)
            or _mixing(plan, part, module, source)
            or _embeds_together(plan, part, module, source)
        )
        if problem:
            diagnostics.add(path, problem, "fix the plugin; `janiform.testing` checks parts against their contracts")
    if diagnostics.problems:
        raise CompositionError(diagnostics.problems)


def _first_problem(plan: Plan, part: PartPlan, module: nn.Module, source: str) -> str:
    """The first call that fails, or whose result has another shape than declared, as a sentence; empty without one."""
    for name, call, expected in _trials(plan, part, module, "meta"):
        try:
            with torch.no_grad(), tensors_on("meta"), MetaShapes():
                result = call()
        except Exception as error:  # any plugin's code runs here
            failure = _failure(plan, part, module, name, error)
            if failure is None:
                continue
            return f"{source} fails in {name} of its module: {type(failure).__name__}: {_line(failure)}"
        returned = list(result.shape) if isinstance(result, Tensor) else type(result).__name__
        if returned != list(expected):
            return (
                f"{source} declares {part.output}, but {name} of its module returns {returned}, expected "
                f"{list(expected)}"
            )
    return ""


def _failure(plan: Plan, part: PartPlan, module: nn.Module, name: str, error: Exception) -> Exception | None:
    """The exception of a call that failed on the meta device, if it fails with values as well."""
    real = _on_cpu(plan, part, module)
    if real is None:
        lacks_values = isinstance(error, NotImplementedError) or "meta" in str(error).lower()
        return None if lacks_values or callable(getattr(module, "borrow", None)) else error
    try:
        with torch.no_grad():
            next(call for other, call, _ in _trials(plan, part, real, "cpu") if other == name)()
    except Exception as second:  # any plugin's code runs here
        return second
    return None


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _drawing_adapters(plan: Plan) -> set[str]:
    """The paths of the adapters that pathways draw with; of a shared one, that of its owner."""
    drawing = [name for name, pathway in plan.pathways.items() if pathway.mode == "draw"]
    return {plan.owner(f"{name}.adapter") for name in drawing if f"{name}.adapter" in plan.parts}


def _mixing(plan: Plan, part: PartPlan, module: nn.Module, source: str) -> str:
    """The sentence about an adapter that draws and mixes its codes; empty for all others."""
    given = part.inputs.get("source")
    if part.path not in _drawing_adapters(plan) or not isinstance(given, Features):
        return ""
    real = _on_cpu(plan, part, module)
    if real is None:
        return ""
    # Positions of the whole picture, since an adapter may add to each what depends on its number.
    inputs = torch.randn(1, given.tokens, given.width, generator=torch.Generator().manual_seed(0))
    try:
        with torch.random.fork_rng([]), warnings.catch_warnings(action="ignore"):
            clause = mixing(real, inputs, _MIXED, "code")
    except Exception as error:  # any plugin's code runs here
        return f"{source} cannot map one code alone, as drawing does: {type(error).__name__}: {_line(error)}"
    if not clause:
        return ""
    return (
        f"{source} mixes the codes of a picture: {clause}. They are drawn one after the other, so use an adapter that "
        "maps each code alone; one that mixes them must refuse a source of one token"
    )


def _embeds_together(plan: Plan, part: PartPlan, module: nn.Module, source: str) -> str:
    """The sentence about an embedding whose vectors of a place depend on others, although places are drawn singly."""
    drawn, name = part.inputs.get("drawn"), part.path.partition(".")[0]
    head = plan.parts.get(f"{name}.head")
    if part.use.kind != "embedding" or not isinstance(drawn, Latents) or head is None:
        return ""
    real = _on_cpu(plan, part, module) if isinstance(head.output, PlaceValues) else None
    if real is None:
        return ""
    latents = torch.randn(1, drawn.tokens, drawn.width, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            whole = real(latents)
            alone = [real(latents[:, place : place + 1], place) for place in range(drawn.tokens)]
            same = torch.allclose(torch.cat(alone, dim=1), whole, atol=_MIXED * float(whole.abs().max()))
    except Exception as error:  # any plugin's code runs here
        return f"{source} cannot embed one place alone, as drawing does: {type(error).__name__}: {_line(error)}"
    if same:
        return ""
    return (
        f"{source} mixes the places of a picture, but the head predicts one after the other: use an embedding that "
        "maps each alone, such as 'patches'"
    )


def _on_cpu(plan: Plan, part: PartPlan, module: nn.Module) -> nn.Module | None:
    """The part with values on the CPU; None where it is large, or uses the backbone's matrices.

    Weights that begin at zero are changed, as a part would hide behind them what it does.
    """
    size = sum(parameter.numel() for parameter in module.parameters())
    if size > _LARGEST or callable(getattr(module, "borrow", None)):
        return None
    state = torch.get_rng_state()
    try:
        real = build_modules(plan, parts=[part.path])[plan.owner(part.path)].eval().requires_grad_(False)
        chance = torch.Generator().manual_seed(0)
        for parameter in real.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn(parameter.shape, generator=chance).to(parameter) * 0.01)
    finally:
        torch.set_rng_state(state)  # a run's weights are drawn after this
    return real


def _trials(plan: Plan, part: PartPlan, module: Any, device: str) -> Iterator[Trial]:
    port = part.output
    if isinstance(port, Codes):
        pixels = _pixels(plan, part, device)
        yield "encode", lambda: module.encode(pixels), (1, port.tokens, port.depth)
        yield "decode", lambda: module.decode(_ids(port, device)), tuple(pixels.shape)
        yield "vectors", lambda: module.vectors(_ids(port, device)), (1, port.tokens, port.width)
    elif isinstance(port, Latents):
        pixels = _pixels(plan, part, device)
        latents = torch.zeros(1, port.tokens, port.width, device=device)
        yield "encode", lambda: module.encode(pixels), (1, port.tokens, port.width)
        if getattr(part.use.config, "decodes", True):
            yield "decode", lambda: module.decode(latents), tuple(pixels.shape)
    elif isinstance(port, Hidden):
        states = torch.zeros(1, _POSITIONS, port.width, device=device)
        positions = torch.arange(_POSITIONS)[None].to(device)  # on meta it would import sympy
        yield "embed", lambda: module.embed(positions), (1, _POSITIONS, port.width)
        yield "forward", lambda: module(states, positions, Mask.causal()), (1, _POSITIONS, port.width)
        yield "logits", lambda: module.logits(states), (1, _POSITIONS, port.vocabulary)
    elif isinstance(port, Features) and part.use.kind == "embedding":
        shape, drawn = _shape(plan, part), _input(plan, part, device)
        yield "forward", embedding_call(shape, module, drawn), (1, port.tokens, port.width)
    elif isinstance(port, Features):
        yield "forward", lambda: module(_input(plan, part, device)), (1, port.tokens, port.width)
    elif isinstance(port, Values) and port.of == "sample":
        states = torch.zeros(1, _shape(plan, part).tokens, plan.hidden.width, device=device)
        call = head_call(_shape(plan, part), module, states, torch.zeros(1, port.tokens, port.width, device=device))
        yield "loss", lambda: call().total, ()
    elif isinstance(port, PlaceValues):
        yield "forward", lambda: module(_input(plan, part, device)), (_POSITIONS, port.width)
    elif isinstance(port, Values):
        shape, corrupted = _shape(plan, part), empty_corrupted(_shape(plan, part), device)
        states = torch.zeros(1, shape.tokens, plan.hidden.width, device=device)
        latents = torch.zeros(1, port.tokens, port.width, device=device)
        yield "forward", lambda: module(states, latents, corrupted), (1, port.tokens, port.width)
    elif isinstance(port, Logits):
        yield "forward", lambda: module(_input(plan, part, device)), (_POSITIONS, port.vocabulary)


def _input(plan: Plan, part: PartPlan, device: str) -> Tensor:
    """What a module takes: its first port as a tensor, or a picture where it takes none."""
    match next(iter(part.inputs.values()), None):
        case Codes() as codes:
            return _ids(codes, device)
        case Features() as features:
            return torch.zeros(1, features.tokens, features.width, device=device)
        case Hidden() as hidden:
            return torch.zeros(_POSITIONS, hidden.width, device=device)
        case Logits() as logits:
            return torch.zeros(_POSITIONS, logits.vocabulary, device=device)
        case PlaceValues() as single:
            return torch.zeros(_POSITIONS, single.width, device=device)
        case Latents() | Values() as values:
            return torch.zeros(1, values.tokens, values.width, device=device)
        case PlaceValues() as values:
            return torch.zeros(_POSITIONS, values.width, device=device)
        case None:
            return _pixels(plan, part, device)


def _shape(plan: Plan, part: PartPlan) -> PathwayShape:
    return plan.pathways[part.path.partition(".")[0]]


def _pixels(plan: Plan, part: PartPlan, device: str) -> Tensor:
    shape = next(
        shape for name, shape in plan.pathways.items() if part.path in (f"{name}.encoder", f"{name}.tokenizer")
    )
    return torch.zeros(1, 3, *pixels_of(shape), device=device)


def _ids(codes: Codes, device: str) -> Tensor:
    return torch.zeros(1, codes.tokens, codes.depth, dtype=torch.int64, device=device)
