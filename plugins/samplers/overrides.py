"""Settings of a sampler that a call replaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
from janiform import UsageError, nearest

_Config = TypeVar("_Config", bound=attrs.AttrsInstance)


def overridden(config: _Config, sampler: str, overrides: Mapping[str, Any]) -> _Config:
    """The config with other settings. Raises ``UsageError`` for one that it does not declare."""
    settings = attrs.asdict(config)
    for name in overrides:
        if name not in settings:
            raise UsageError(f"the sampler '{sampler}' has no setting '{name}' ({nearest(name, settings)})")
    return attrs.evolve(config, **overrides)
