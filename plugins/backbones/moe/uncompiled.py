"""Calls at which a compiled graph ends; imported only while a graph is traced, since this imports the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


@torch.compiler.disable
def uncompiled(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function outside of the graph that is being traced, as it was written."""
    return function(*arguments)
