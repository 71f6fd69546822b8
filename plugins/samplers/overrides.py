"""Settings of a sampler that a call replaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
from janiform import UsageError, nearest

_Config = TypeVar("_Config", bound=attrs.AttrsInstance)


def overridden(config: _Config, sampler: str, overrides: Mapping[str, Any]) -> _Config:
    """The config with other settings. Raises ``UsageError`` for one that it does not declare, and for wrong values."""
    settings = attrs.asdict(config)
    for name in overrides:
        if name not in settings:
            raise UsageError(f"the sampler '{sampler}' has no setting '{name}' ({nearest(name, settings)})")
    try:
        return attrs.evolve(config, **overrides)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the sampler '{sampler}': {error.args[0]}") from None
