"""scipy, imported where a distribution is needed: it is an extra."""

from __future__ import annotations

from typing import Any

from ...errors import Problem, UsageError


def scipy_module(name: str) -> Any:
    """A module of scipy ("stats"). Raises ``UsageError`` where scipy is not installed."""
    import importlib

    try:
        return importlib.import_module(f"scipy.{name}")
    except ImportError as error:
        raise UsageError(
            Problem(
                f"the statistics of a study need the package scipy, which is not installed ({error})",
                hint="pip install 'janiform[study]'",
            )
        ) from error
