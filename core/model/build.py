"""Plan to model, with freshly initialised weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from .modules import build_modules
from .unified_model import UnifiedModel

if TYPE_CHECKING:
    from ..compose.plan import Plan


def build_model(
    plan: Plan,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    parts: Iterable[str] | None = None,
    seed: int | None = None,
) -> UnifiedModel:
    """Build the model of a plan; ``parts`` limits it to some paths, and ``seed`` decides its weights.

    See ``build_modules``.
    """
    return UnifiedModel(plan, build_modules(plan, device, dtype, parts, seed))
