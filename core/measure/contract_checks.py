"""Checks that each part returns what its config declares, on the meta device, before training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..compose.diagnostics import Findings
from ..compose.plan import PartPlan, Plan
from ..contracts.factories import lacking
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
    findings = Findings(plan.recipe)
    for path, module in modules.items():
        part = plan.parts[path]
        source = f"{part.use.component.reference}, from {part.use.component.provider},"
        if missing := lacking(part.use.kind, module):
            findings.add(path, f"{source} makes a {type(module).__name__}, {missing}", "fix the plugin")
            continue
        for name, call, expected in _trials(plan, part, module):
            try:
                with torch.no_grad(), torch.device("meta"), MetaShapes():
                    result = call()
            except Exception:  # any plugin's code runs here, and it may need real values
                continue
            returned = list(result.shape) if isinstance(result, Tensor) else type(result).__name__
            if returned != list(expected):
                findings.add(
                    path,
                    f"{source} declares {part.output}, but {name} of its module returns {returned}, "
                    f"expected {list(expected)}",
                    "fix the plugin; `janiform.testing` checks parts against their contracts",
                )
    if findings.problems:
        raise CompositionError(findings.problems)


def _trials(plan: Plan, part: PartPlan, module: Any) -> Iterator[Trial]:
    given, port = part.inputs, part.output
    if part.use.kind == "encoder":
        features = cast(Features, port)
        yield "forward", lambda: module(_pixels(plan, part)), (1, features.tokens, features.width)
    elif part.use.kind == "tokenizer":
        codes = cast(Codes, port)
        yield "encode", lambda: module.encode(_pixels(plan, part)), (1, codes.tokens, codes.depth)
        yield "decode", lambda: module.decode(_ids(codes)), tuple(_pixels(plan, part).shape)
        yield "vectors", lambda: module.vectors(_ids(codes)), (1, codes.tokens, codes.width)
    elif part.use.kind == "embedding":
        features = cast(Features, port)
        yield "forward", lambda: module(_ids(cast(Codes, given["codes"]))), (1, features.tokens, features.width)
    elif part.use.kind == "adapter":
        features, source = cast(Features, port), cast(Features, given["source"])
        yield (
            "forward",
            lambda: module(torch.empty(1, source.tokens, source.width)),
            (1, features.tokens, features.width),
        )
    elif part.use.kind == "head":
        logits, hidden = cast(Logits, port), cast(Hidden, given["hidden"])
        yield "forward", lambda: module(torch.empty(_POSITIONS, hidden.width)), (_POSITIONS, logits.vocabulary)
    elif part.use.kind == "backbone":
        hidden = cast(Hidden, port)
        states, positions = torch.empty(1, _POSITIONS, hidden.width, device="meta"), torch.arange(_POSITIONS)[None]
        yield "embed", lambda: module.embed(positions.to("meta")), (1, _POSITIONS, hidden.width)
        yield "forward", lambda: module(states, positions.to("meta"), Mask.causal()), (1, _POSITIONS, hidden.width)
        yield "logits", lambda: module.logits(states), (1, _POSITIONS, hidden.vocabulary)


def _pixels(plan: Plan, part: PartPlan) -> Tensor:
    shape = next(
        shape for name, shape in plan.pathways.items() if part.path in (f"{name}.encoder", f"{name}.tokenizer")
    )
    return torch.empty(1, 3, *pixels_of(shape), device="meta")


def _ids(codes: Codes) -> Tensor:
    return torch.zeros(1, codes.tokens, codes.depth, dtype=torch.int64, device="meta")
