"""The objective of a stage, made by its factory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import nn

from ...contracts.factories import make
from ...contracts.objective import Objective

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel
    from ...recipe import Use


def make_objective(use: Use, model: UnifiedModel) -> Objective:
    """Make the objective of a stage. A plain module with ``prepare`` and ``losses`` gets the defaults of ``Objective``.

    Raises what ``make`` raises.
    """
    made = make(use.component, use.config, model)
    return made if isinstance(made, Objective) else _with_defaults(made)


def _with_defaults(module: nn.Module) -> Objective:
    """The module itself, whose class now inherits from ``Objective`` too.

    Plain modules declare by the methods they have what an ``Objective`` declares by class attributes: ``counts`` that
    it is divisible, ``gather`` that it compares samples, ``join`` that it collates prepared examples.
    """
    own = type(module)
    declared: dict[str, Any] = {
        "divisible": hasattr(module, "counts"),
        "compares_samples": hasattr(module, "gather"),
    }
    if hasattr(module, "join"):
        declared["collate"] = lambda self, prepared, generator: self.join(prepared)
    module.__class__ = type(own.__name__, (own, Objective), declared)
    return cast(Objective, module)
