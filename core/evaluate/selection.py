"""The settings of several benchmarks from the options of one command: data, profile and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..components import Component
from ..components.fields import config_fields
from ..errors import Origin, Problem, UsageError, nearest
from .benchmarks import plain_name

_SET = Origin("--set")


def settings_of_each(
    components: Sequence[Component], values: Mapping[str, Any], data: Path | None = None, profile: str | None = None
) -> list[dict[str, Any]]:
    """The settings of each benchmark.

    ``values``: for all benchmarks that have the setting, or in a table with the name of one. ``data``: the folder with
    a folder or file for each, named like it; where there is one benchmark, also its data themselves.

    Raises ``UsageError`` for settings that no benchmark has, and for data that are not there.
    """
    if repeated := [one.reference for one in components if components.count(one) > 1]:
        raise UsageError(f"the benchmark '{repeated[0]}' is named twice")
    own = {name: value for name, value in values.items() if _named(name, components) and isinstance(value, dict)}
    common = {name: value for name, value in values.items() if name not in own}
    if profile is not None:
        common["profile"] = profile
    fields = [{field.name for field in config_fields(one.config)} for one in components]
    if len(components) > 1:
        _check_common(components, common, fields)
    result: list[dict[str, Any]] = []
    for component, names in zip(components, fields, strict=True):
        # The settings of a single benchmark are checked where it is built, with the nearest names.
        settings = {name: value for name, value in common.items() if len(components) == 1 or name in names}
        for name, table in own.items():
            if _named(name, [component]):
                settings |= table
        if data is not None and "data" in names and "data" not in settings:
            settings["data"] = str(_data_of(component, data, alone=len(components) == 1))
        result.append(settings)
    if data is not None and not any("data" in names for names in fields):
        raise UsageError(f"--data: {_listed(components)} {'has' if len(components) == 1 else 'have'} no setting 'data'")
    return result


def _check_common(components: Sequence[Component], common: Mapping[str, Any], fields: Sequence[set[str]]) -> None:
    known = set().union(*fields)
    names = [component.name for component in components]
    problems = [
        Problem(f"no benchmark of {_listed(components)} has this setting", name, _SET, nearest(name, [*known, *names]))
        for name in common
        if name not in known
    ]
    if problems:
        raise UsageError(problems)


def _data_of(component: Component, data: Path, *, alone: bool) -> Path:
    """The folder or file for a benchmark in the folder of all data."""
    if not data.exists():
        raise UsageError(f"--data: there is no folder or file '{data}'")
    inside = sorted(data.iterdir()) if data.is_dir() else []
    matches = [
        path for path in inside if plain_name(path.stem if path.is_file() else path.name) == plain_name(component.name)
    ]
    folders = [path for path in matches if path.is_dir()]
    if len(folders) == 1 or len(matches) == 1:
        return (folders or matches)[0]
    if matches:
        listed = ", ".join(path.name for path in matches)
        hint = f"""name one with --set '{component.name}.data="{matches[0]}"'"""
        raise UsageError(
            Problem(f"--data: '{data}' has {len(matches)} entries for {component.name}: {listed}", hint=hint)
        )
    if alone:
        return data
    hint = f"""expected '{data / component.name}'; or --set '{component.name}.data="…"'"""
    raise UsageError(Problem(f"--data: '{data}' has no folder or file for {component.name}", hint=hint))


def _named(name: str, components: Sequence[Component]) -> bool:
    return any(plain_name(name) == plain_name(component.name) for component in components)


def _listed(components: Sequence[Component]) -> str:
    return ", ".join(component.name for component in components)
