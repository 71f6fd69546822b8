"""Benchmarks by name, with their settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from ..components import Component
from ..components.registry import registry
from ..contracts import Benchmark
from ..contracts.factories import make
from ..errors import Origin, Problem, UsageError

SAMPLE = "sample"
"""Name of the preset with which a benchmark takes seconds."""

DEFAULT = "shapes@1"
"""The benchmark where none is named. The version belongs to it, so that another plugin's ``shapes@2`` is not taken."""

_SET = Origin("--set")


def find_benchmark(name: str | None) -> Component:
    """The benchmark with a name; None means the default. Raises ``ComponentError`` where there is none.

    What else is installed does not change the default. Upper case, hyphens and underscores may differ, as papers write
    names in many ways, unless a name is that of two benchmarks then.
    """
    if name is None:
        return registry().find("benchmark", DEFAULT)
    base, at, version = name.partition("@")
    names = {component.name for component in registry().components("benchmark")}
    alike = [other for other in names if plain_name(other) == plain_name(base)]
    return registry().find("benchmark", f"{alike[0]}{at}{version}" if base not in names and len(alike) == 1 else name)


def plain_name(name: str) -> str:
    """A name in lower case without hyphens and underscores."""
    return "".join(filter(str.isalnum, name.casefold()))


def build_benchmark(component: Component, settings: Mapping[str, Any] | None = None) -> Benchmark:
    """A benchmark with some settings changed. Raises ``UsageError`` with all invalid settings."""
    from ..recipe.structure import Mistakes, structure

    try:
        config = structure(component.config, settings or {})
    except Mistakes as mistakes:
        raise UsageError(
            [
                Problem(mistake.message, ".".join(map(str, mistake.path)), _SET, mistake.hint)
                for mistake in mistakes.items
            ]
        ) from None
    built: Benchmark = make(component, config)
    return built


def settings_of(lines: Sequence[str]) -> dict[str, Any]:
    """Settings from lines of TOML, as given to ``--set``. Raises ``UsageError``."""
    values: dict[str, Any] = {}
    for line in lines:
        try:
            _merge(values, tomllib.loads(line))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                Problem(f"'{line}' is not valid TOML: {error}", origin=_SET, hint='write prompts=20 or name="text"')
            ) from None
    return values


def _merge(values: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add values to those of before; tables are merged."""
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            _merge(values[name], value)
        else:
            values[name] = value
