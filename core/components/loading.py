"""Bringing in one plugin after another, so that none can harm the others."""

from __future__ import annotations

import re
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

from ..errors import ComponentError, Problem, nearest
from . import hookspec
from .component import Component, provider
from .registrar import Registrar
from .requirements import other_janiform, unmet

SLOW = 2.0
"""Seconds of loading from which on people are told which plugin it is that they wait for."""


@frozen
class PluginSource:
    """A plugin that is known by name and not yet imported.

    ``requires`` are the requirements of its distribution, as its metadata has them.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]
    requires: tuple[str, ...] = ()


@frozen
class PluginRecord:
    """What became of a plugin.

    ``seconds`` is the time that its import and registration took, ``torch`` whether it was what imported torch.
    ``error`` says what failed; such a plugin, like a disabled one, has no components. ``cause`` is the exception behind
    it.
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
    torch: bool = False

    @property
    def provider(self) -> str:
        """The plugin and its distribution, for sentences to a user."""
        return provider(self.name, self.distribution, self.version)

    @property
    def burden(self) -> Problem | None:
        """What somebody's plugin that is slow to load costs everybody, and what would help; None for other plugins."""
        if self.seconds < SLOW or self.distribution == hookspec.PROJECT:
            return None
        hint = f"--disable-plugin {self.name} does without it"
        if self.torch:
            hint = f"it imports torch, which belongs into the modules of its factories; {hint}"
        return Problem(f"{self.provider} took {self.seconds:.1f} s to load, for which every command waits", hint=hint)


def installed() -> Iterator[PluginSource]:
    """The plugins that installed distributions announce under the entry-point group ``janiform``."""
    for point in entry_points(group=hookspec.PROJECT):
        if point.dist is None:
            yield PluginSource(point.name, "", "", point.load)
        elif point.dist.name == hookspec.PROJECT:  # janiform itself: its own requirements are no plugin's
            yield PluginSource(point.name, point.dist.name, point.dist.version, point.load)
        else:
            requires = tuple(point.dist.requires or ())
            yield PluginSource(point.name, point.dist.name, point.dist.version, point.load, requires)


def given(plugins: Mapping[str, Any]) -> Iterator[PluginSource]:
    """Plugins at hand, as objects by name: how tests, and notebooks that define a component, bring theirs."""
    for name, plugin in plugins.items():
        yield PluginSource(name, "", "", partial(_at_hand, plugin))


def _at_hand(plugin: Any) -> Any:
    return plugin


def load_plugin(source: PluginSource) -> PluginRecord:
    """Import a plugin and let it register; whatever goes wrong in it ends in its record.

    Raises ``KeyboardInterrupt`` on Ctrl-C, saying what was waited for.
    """
    start = perf_counter()
    components: tuple[Component, ...] = ()
    folders: tuple[Path, ...] = ()
    cause: BaseException | None = None
    had_torch = "torch" in sys.modules
    try:
        if wanted := unmet(source.requires):
            raise ComponentError(wanted)
        with redirect_stdout(sys.stderr):  # what a plugin prints must not end up in the middle of our JSON
            components, folders = _register(source)
    except KeyboardInterrupt as error:
        who = provider(source.name, source.distribution, source.version)
        hint = f"--disable-plugin {source.name} does without it"
        raise KeyboardInterrupt(f"stopped while {who} was loaded ({hint})") from error
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
        torch=not had_torch and "torch" in sys.modules,
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
        return _invalid(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return said + where + other_janiform(error)


def _invalid(error: pluggy.PluginValidationError) -> str:
    unknown = re.match(r"unknown hook '(\w+)'", str(error))
    if unknown is None:
        return str(error).replace("\n", " ").strip()
    hooks = [name for name, member in vars(hookspec).items() if hasattr(member, f"{hookspec.PROJECT}_spec")]
    place = getattr(getattr(error.plugin, unknown[1], None), "__code__", None)
    where = f"{place.co_filename}:{place.co_firstlineno}: " if place else ""
    return f"{where}there is no hook '{unknown[1]}' ({nearest(unknown[1], hooks)})"


def _is_machinery(filename: str) -> bool:
    """Whether a frame is of the import system, pluggy or this file: they carry a plugin's error and do not cause it."""
    folders = Path(filename).parts[-3:-1]
    return filename.startswith("<frozen") or filename == __file__ or "importlib" in folders or "pluggy" in folders
