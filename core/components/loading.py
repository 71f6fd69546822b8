"""Bringing in one plugin after another, so that none can harm the others."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from time import perf_counter
from typing import Any

import pluggy
from attrs import field, frozen

from ..errors import ComponentError
from . import hookspec
from .component import Component, provider
from .registrar import Registrar


@frozen
class PluginSource:
    """A plugin that is known by name and not yet imported."""

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]


@frozen
class PluginRecord:
    """What became of a plugin.

    ``seconds`` is the time that its import and registration took. ``error`` says what failed; such a plugin, like a
    disabled one, has no components. ``cause`` is the exception behind it.
    """

    name: str
    distribution: str
    version: str
    components: tuple[Component, ...] = ()
    seconds: float = 0.0
    error: str = ""
    disabled: bool = False
    recipe_folders: tuple[Path, ...] = ()
    cause: BaseException | None = field(default=None, repr=False, eq=False)

    @property
    def provider(self) -> str:
        """The plugin and its distribution, for sentences to a user."""
        return provider(self.name, self.distribution, self.version)


def installed() -> Iterator[PluginSource]:
    """The plugins that installed distributions announce under the entry-point group ``janiform``."""
    for point in entry_points(group=hookspec.PROJECT):
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
        yield PluginSource(point.name, name, version, point.load)


def given(plugins: Mapping[str, Any]) -> Iterator[PluginSource]:
    """Plugins at hand, as objects by name: how tests, and notebooks that define a component, bring theirs."""
    for name, plugin in plugins.items():
        yield PluginSource(name, "", "", partial(_at_hand, plugin))


def _at_hand(plugin: Any) -> Any:
    return plugin


def load_plugin(source: PluginSource) -> PluginRecord:
    """Import a plugin and let it register; whatever goes wrong in it ends in its record, except Ctrl-C."""
    start = perf_counter()
    components: tuple[Component, ...] = ()
    folders: tuple[Path, ...] = ()
    cause: BaseException | None = None
    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints must not end up in the middle of our JSON
            components, folders = _register(source)
    except (Exception, SystemExit) as error:
        cause = error
    return PluginRecord(
        name=source.name,
        distribution=source.distribution,
        version=source.version,
        components=components,
        seconds=perf_counter() - start,
        error=_describe(cause) if cause else "",
        recipe_folders=folders,
        cause=cause,
    )


def _register(source: PluginSource) -> tuple[tuple[Component, ...], tuple[Path, ...]]:
    # A plugin manager of its own: a hook that is misspelt then is this plugin's mistake and nobody else's.
    manager = pluggy.PluginManager(hookspec.PROJECT)
    manager.add_hookspecs(hookspec)
    manager.register(source.load(), name=source.name)
    manager.check_pending()
    if not manager.hook.janiform_register.get_hookimpls():
        raise ComponentError("it has no function janiform_register marked with @janiform.hookimpl")
    registrar = Registrar(source.name, source.distribution, source.version)
    if manager.hook.janiform_register(registrar=registrar):
        raise ComponentError("its janiform_register must be a plain function that returns nothing")
    return registrar.finish()


def _describe(error: BaseException) -> str:
    if isinstance(error, ComponentError):
        return str(error)
    if isinstance(error, pluggy.PluginValidationError):
        return str(error).replace("\n", " ").strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return said + where


def _is_machinery(filename: str) -> bool:
    """Whether a frame is of the import system, pluggy or this file: they carry a plugin's error and do not cause it."""
    folders = Path(filename).parts[-3:-1]
    return filename.startswith("<frozen") or filename == __file__ or "importlib" in folders or "pluggy" in folders
