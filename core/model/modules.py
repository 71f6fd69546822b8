"""Plan to modules: every factory is called once, with its config and the ports that were derived for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from ..components.kinds import KINDS
from ..compose.diagnostics import Diagnostics
from ..contracts.factories import make
from ..errors import CompositionError, JaniformError, Problem, nearest
from ..garbage import no_collection
from ..seeds import derived_seed
from .meta import shapes_only, tensors_on

if TYPE_CHECKING:
    from ..compose.plan import PartPlan, Plan


MAX_MODULES = 10_000
"""Maximum number of modules of a part: more than known models have, and few enough to be made in about a second."""

MAX_PARAMETERS = 2 * MAX_MODULES
"""Maximum number of parameters of a part. A module is counted once it is in another, but its parameters at once."""


def build_modules(
    plan: Plan,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    parts: Iterable[str] | None = None,
    seed: int | None = None,
) -> dict[str, nn.Module]:
    """The modules of a plan by path, in the order of the data; a shared part is under its owner's path only.

    Args:
        parts: limits them to some parts, by paths or by the first names of paths.
        seed: the first weights of a part follow from it and the part's path alone, whatever other parts there are; None
            takes the random numbers that come next.

    Raises:
        CompositionError: with every factory that fails, by component and plugin.
    """
    diagnostics = Diagnostics(plan.recipe)
    modules: dict[str, nn.Module] = {}
    for path in owners(plan, parts):
        if seed is not None and torch.device(device).type != "meta":
            torch.manual_seed(derived_seed("weights", seed, path))
        with tensors_on(device), shapes_only(device):
            module = _make(plan.parts[path], diagnostics)
        if module is not None:
            modules[path] = module if dtype is None else module.to(dtype=dtype)
    if diagnostics.problems:
        raise CompositionError(diagnostics.problems)
    lend(plan, modules)
    return modules


def lend(plan: Plan, modules: Mapping[str, nn.Module]) -> None:
    """Hand the parts that use others' weights (``Borrower``) those that were built: the backbone, or what they name."""
    for path, module in modules.items():
        borrow: Any = getattr(module, "borrow", None)
        if not callable(borrow):
            continue
        pathway = path.partition(".")[0]
        for name in getattr(plan.parts[path].use.config, "borrows", ("backbone",)):
            lender = name if name == "backbone" else plan.owner(f"{pathway}.{name}")
            if lender in modules:
                borrow(modules[lender])


def owners(plan: Plan, parts: Iterable[str] | None) -> list[str]:
    """The owners of the named parts, or of all, that have weights. Raises ``CompositionError`` for unknown names."""
    with_weights = [path for path, part in plan.parts.items() if KINDS[part.use.kind].weights]
    if parts is None:
        return list(dict.fromkeys(plan.owner(path) for path in with_weights))
    chosen: set[str] = set()
    problems = []
    for name in parts:
        matches = [path for path in with_weights if path == name or path.startswith(f"{name}.")]
        if not matches:
            names = [*with_weights, *plan.pathways]
            problems.append(Problem(f"the recipe has no part '{name}' with weights", hint=nearest(name, names)))
        chosen.update(plan.owner(path) for path in matches)
    if problems:
        raise CompositionError(problems)
    return [path for path in with_weights if path in chosen]


@contextmanager
def _bounded(part: PartPlan) -> Iterator[None]:
    """Raise ``CompositionError`` within the context once a part makes too many modules or parameters."""
    counts = {"modules": 0, "parameters": 0}

    def count(what: str) -> None:
        counts[what] += 1
        if counts[what] > (most := MAX_MODULES if what == "modules" else MAX_PARAMETERS):
            message = f"{part.use.component.reference} makes more than {most:,} {what} with these settings"
            raise CompositionError(Problem(message, hint="give it fewer layers, blocks or levels"))

    hooks = (
        register_module_module_registration_hook(lambda *_: count("modules")),
        register_module_parameter_registration_hook(lambda *_: count("parameters")),
    )
    try:
        with no_collection():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _make(part: PartPlan, diagnostics: Diagnostics) -> nn.Module | None:
    try:
        with _bounded(part):
            return cast(nn.Module, make(part.use.component, part.use.config, *part.inputs.values()))
    except JaniformError as error:
        for problem in error.problems:
            if problem.path:
                diagnostics.problems.append(problem)
            else:  # a factory does not know the path of its part
                diagnostics.add(part.path, problem.message, problem.hint)
        return None
