"""Calls at which a compiled graph ends.

Imported only while a graph is traced: ``torch.compiler.disable`` imports the compiler, which takes as long as torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


@torch.compiler.disable  # type: ignore[untyped-decorator]
def uncompiled(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function outside of the graph that is being traced, as it was written."""
    return function(*arguments)
