"""Checks that each part returns what its config declares, on the meta device, before training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..compose.diagnostics import Diagnostics
from ..compose.plan import PartPlan, Plan
from ..contracts.factories import missing_names
from ..errors import CompositionError
from ..model.meta import MetaShapes
from ..model.modules import build_modules
from ..ports import Codes, Features, Hidden, Logits
from ..sequence.mask import Mask
from .costs import pixels_of

_POSITIONS = 3
"""Length of texts and states in the checks, where the part does not set it."""

Trial = tuple[str, Callable[[], Any], tuple[int, ...]]
"""Name of a method, a call of it, and the shape that its result must have."""


def check_contracts(plan: Plan, modules: Mapping[str, nn.Module] | None = None) -> None:
    """Call every part of a plan on the meta device, and compare the results with the ports that it declares.

    ``modules`` are the plan's modules on the meta device; they are built where not given. A part that cannot run
    there, because it needs values, is not checked.

    Raises ``CompositionError`` with every part whose results differ.
    """
    modules = build_modules(plan, device="meta") if modules is None else modules
    diagnostics = Diagnostics(plan.recipe)
    for path, module in modules.items():
        part = plan.parts[path]
        source = f"{part.use.component.reference}, from {part.use.component.provider},"
        if missing := missing_names(part.use.kind, module):
            diagnostics.add(path, f"{source} makes a {type(module).__name__}, {missing}", "fix the plugin")
            continue
        for name, call, expected in _trials(plan, part, module):
            try:
                with torch.no_grad(), torch.device("meta"), MetaShapes():
                    result = call()
            except Exception:  # any plugin's code runs here, and it may need real values
                continue
            returned = list(result.shape) if isinstance(result, Tensor) else type(result).__name__
            if returned != list(expected):
                diagnostics.add(
                    path,
                    f"{source} declares {part.output}, but {name} of its module returns {returned}, "
                    f"expected {list(expected)}",
                    "fix the plugin; `janiform.testing` checks parts against their contracts",
                )
    if diagnostics.problems:
        raise CompositionError(diagnostics.problems)


def _trials(plan: Plan, part: PartPlan, module: Any) -> Iterator[Trial]:
    port = part.output
    if isinstance(port, Codes):
        yield "encode", lambda: module.encode(_pixels(plan, part)), (1, port.tokens, port.depth)
        yield "decode", lambda: module.decode(_ids(port)), tuple(_pixels(plan, part).shape)
        yield "vectors", lambda: module.vectors(_ids(port)), (1, port.tokens, port.width)
    elif isinstance(port, Hidden):
        states, positions = torch.empty(1, _POSITIONS, port.width, device="meta"), torch.arange(_POSITIONS)[None]
        yield "embed", lambda: module.embed(positions.to("meta")), (1, _POSITIONS, port.width)
        yield "forward", lambda: module(states, positions.to("meta"), Mask.causal()), (1, _POSITIONS, port.width)
        yield "logits", lambda: module.logits(states), (1, _POSITIONS, port.vocabulary)
    elif isinstance(port, Features):
        yield "forward", lambda: module(_input(plan, part)), (1, port.tokens, port.width)
    elif isinstance(port, Logits):
        yield "forward", lambda: module(_input(plan, part)), (_POSITIONS, port.vocabulary)


def _input(plan: Plan, part: PartPlan) -> Tensor:
    """What a module takes: its first port as a tensor, or a picture where it takes none."""
    match next(iter(part.inputs.values()), None):
        case Codes() as codes:
            return _ids(codes)
        case Features() as features:
            return torch.empty(1, features.tokens, features.width, device="meta")
        case Hidden() as hidden:
            return torch.empty(_POSITIONS, hidden.width, device="meta")
        case Logits() as logits:
            return torch.empty(_POSITIONS, logits.vocabulary, device="meta")
        case None:
            return _pixels(plan, part)


def _pixels(plan: Plan, part: PartPlan) -> Tensor:
    shape = next(
        shape for name, shape in plan.pathways.items() if part.path in (f"{name}.encoder", f"{name}.tokenizer")
    )
    return torch.empty(1, 3, *pixels_of(shape), device="meta")


def _ids(codes: Codes) -> Tensor:
    return torch.zeros(1, codes.tokens, codes.depth, dtype=torch.int64, device="meta")
