"""The installed format of a model directory."""

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
class FolderFormat:
    """A format and the component that provides it."""

    component: Component
    format: Format


def recognise(folder: Path, registry: Registry | None = None) -> Component | None:
    """The format of a directory, found without torch; None where no installed format recognises it.

    Raises ``StorageError`` where several formats recognise it, or one of them fails.
    """
    registry = registry or process_registry()
    matches = [component for component in registry.components(KIND) if _recognises(component, folder)]
    newest = {component.name: component for component in sorted(matches, key=lambda component: component.version)}
    if len(newest) > 1:
        claims = " and ".join(f"{component.reference} of {component.provider}" for component in newest.values())
        raise StorageError(f"{folder} is claimed by more than one format: {claims}")
    return next(iter(newest.values()), None)


def format_of(folder: Path, registry: Registry | None = None) -> FolderFormat:
    """The format of a directory. Raises ``StorageError`` where no installed format, or more than one, recognises it."""
    component = recognise(folder, registry)
    if component is None:
        raise StorageError(unknown_layout(folder, registry))
    return _made(component)


def named_format(name: str, registry: Registry | None = None) -> FolderFormat:
    """The format with a name. Raises ``ComponentError`` where there is none."""
    return _made((registry or process_registry()).find(KIND, name))


def unknown_layout(folder: Path, registry: Registry | None = None) -> Problem:
    """The problem of a directory in no installed format, with a list of the formats."""
    registry = registry or process_registry()
    formats = "; ".join(f"{component.name}: {component.summary}" for component in registry.components(KIND))
    return Problem(
        f"{folder} is not a model directory in any installed format", hint=formats or "no format is installed"
    )


def _made(component: Component) -> FolderFormat:
    return FolderFormat(component, cast(Format, make(component, component.config())))


def _recognises(component: Component, folder: Path) -> bool:
    try:
        config = cast(FormatConfig, component.config())
        return bool(config.recognises(folder))
    except JaniformError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's own code; ignoring it would hide the directory
        message = f"{component.reference} of {component.provider} failed on {folder}"
        raise StorageError(f"{message}: {type(error).__name__}: {error}") from error
