"""Which installed format a directory is of."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from attrs import frozen

from ..components.component import Component
from ..components.registry import Registry
from ..components.registry import registry as process_registry
from ..contracts import Format, FormatConfig
from ..contracts.factories import make
from ..errors import JaniformError, Problem, StorageError

KIND = "format"


@frozen
class Found:
    """The format of a directory, and the component that it comes from."""

    component: Component
    format: Format


def recognise(folder: Path, registry: Registry | None = None) -> Component | None:
    """The format that a directory is of, without torch; None where no installed one knows it.

    Raises ``StorageError`` where several claim it, or one of them breaks.
    """
    registry = registry or process_registry()
    found = [component for component in registry.components(KIND) if _recognises(component, folder)]
    newest = {component.name: component for component in sorted(found, key=lambda component: component.version)}
    if len(newest) > 1:
        claims = " and ".join(f"{component.reference} of {component.provider}" for component in newest.values())
        raise StorageError(f"{folder} is claimed by more than one format: {claims}")
    return next(iter(newest.values()), None)


def format_of(folder: Path, registry: Registry | None = None) -> Found:
    """The format of a directory. Raises ``StorageError`` where no installed one, or more than one, knows it."""
    component = recognise(folder, registry)
    if component is None:
        raise StorageError(unknown_layout(folder, registry))
    return _found(component)


def named_format(name: str, registry: Registry | None = None) -> Found:
    """The format of a name. Raises ``ComponentError`` where there is none."""
    return _found((registry or process_registry()).find(KIND, name))


def unknown_layout(folder: Path, registry: Registry | None = None) -> Problem:
    """Says which layouts a directory could have had."""
    registry = registry or process_registry()
    known = "; ".join(f"{component.name}: {component.summary}" for component in registry.components(KIND))
    return Problem(f"{folder} is no model directory of a layout that is installed", hint=known or "none is installed")


def _found(component: Component) -> Found:
    return Found(component, cast(Format, make(component, component.config())))


def _recognises(component: Component, folder: Path) -> bool:
    try:
        config = cast(FormatConfig, component.config())
        return bool(config.recognises(folder))
    except JaniformError:
        raise
    except Exception as error:  # a plugin's own code: it must not hide the directory from the others unnoticed
        message = f"{component.reference} of {component.provider} failed to look at {folder}"
        raise StorageError(f"{message}: {type(error).__name__}: {error}") from error
