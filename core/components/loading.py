"""Loading plugins one by one, so that a failure in one does not affect the others."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache, partial
from importlib.metadata import Distribution, entry_points
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO, cast

import pluggy
from attrs import field, frozen

from ..errors import ComponentError, Problem, nearest
from ..untrusted_text import printable, text_of
from . import hookspec
from .component import Component, provider
from .registrar import Registrar
from .requirements import other_janiform, unmet

SLOW = 2.0
"""Seconds of loading from which a plugin is reported as slow."""

PATIENCE = 10.0
"""Seconds of loading after which a plugin is named while it still loads."""


@frozen
class PluginSource:
    """A plugin that is not yet imported. ``requires`` are the requirements in its distribution's metadata."""

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]
    requires: tuple[str, ...] = ()


@frozen
class PluginRecord:
    """The result of loading a plugin.

    ``seconds`` is the duration of its import and registration; ``torch`` tells whether it imported torch. ``error``
    says what failed, and ``cause`` is the exception; such a plugin, like a disabled one, has no components.
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
        """The plugin and its distribution, for messages."""
        return provider(self.name, self.distribution, self.version)

    @property
    def burden(self) -> Problem | None:
        """The report of a third-party plugin that is slow to load; None for other plugins."""
        if self.seconds < SLOW or self.distribution == hookspec.PROJECT:
            return None
        hint = f"disable it with --disable-plugin {self.distribution or self.name}"
        if self.torch:
            hint = f"it imports torch, which belongs in the modules of its factories; {hint}"
        return Problem(f"{self.provider} took {self.seconds:.1f} s to load, which delays every command", hint=hint)


def installed() -> Iterator[PluginSource]:
    """The plugins of installed distributions, from the entry-point group ``janiform``."""
    described = cache(_described)  # a distribution reads its metadata anew for every question
    for point in entry_points(group=hookspec.PROJECT):
        if point.dist is None:
            yield PluginSource(point.name, "", "", point.load)
        else:
            name, version, requires = described(point.dist)
            yield PluginSource(point.name, name, version, point.load, requires)


def _described(distribution: Distribution) -> tuple[str, str, tuple[str, ...]]:
    """The name, version and requirements of a plugin's distribution."""
    metadata = distribution.metadata
    name, version = metadata["Name"], metadata["Version"]
    if name == hookspec.PROJECT:  # janiform itself, whose requirements are not those of a plugin
        return name, version, ()
    return name, version, tuple(distribution.requires or ())


def given(plugins: Mapping[str, Any]) -> Iterator[PluginSource]:
    """Plugins that are given as objects by name, as in tests and notebooks."""
    for name, plugin in plugins.items():
        yield PluginSource(name, "", "", partial(_at_hand, plugin))


def _at_hand(plugin: Any) -> Any:
    return plugin


def load_plugin(source: PluginSource) -> PluginRecord:
    """Import a plugin and register its components; any error is kept in its record.

    Raises ``KeyboardInterrupt`` naming the plugin on Ctrl-C.
    """
    start = perf_counter()
    components: tuple[Component, ...] = ()
    folders: tuple[Path, ...] = ()
    cause: BaseException | None = None
    had_torch = "torch" in sys.modules
    try:
        if problem := unmet(source.requires):
            raise ComponentError(problem)
        with _stdout_to_stderr(), _patience(source):
            components, folders = _register(source)
    except KeyboardInterrupt as error:
        plugin = provider(source.name, source.distribution, source.version)
        hint = f"disable it with --disable-plugin {source.distribution or source.name}"
        raise KeyboardInterrupt(f"stopped while loading {plugin} ({hint})") from error
    except BaseException as error:  # a plugin may raise anything
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


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Send what is printed to standard error, also by libraries and processes: it would corrupt JSON on stdout."""
    copy = None
    if sys.stdout is not None and sys.stderr is not None:
        with suppress(OSError, ValueError, AttributeError):  # other streams, as in tests and notebooks
            if (sys.stdout.fileno(), sys.stderr.fileno()) == (1, 2):
                sys.stdout.flush()
                copy = os.dup(1)
                os.dup2(2, 1)
    try:
        with redirect_stdout(None if sys.stderr is None else cast(TextIO, _Unclosable(sys.stderr))):
            yield
    finally:
        if copy is not None:
            os.dup2(copy, 1)
            os.close(copy)


class _Unclosable:
    """A stream that a plugin cannot close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Flush what was written."""
        self.flush()


@contextmanager
def _patience(source: PluginSource) -> Iterator[None]:
    """Name a plugin on standard error while it takes very long to load, so that a hanging one can be disabled."""

    def name() -> None:
        plugin = printable(provider(source.name, source.distribution, source.version))
        hint = f"stop with Ctrl-C and disable it with --disable-plugin {printable(source.name)}"
        print(f"note: {plugin} has been loading for {PATIENCE:.0f} s ({hint})", file=sys.stderr, flush=True)

    timer = threading.Timer(PATIENCE, name)
    timer.daemon = True
    if source.distribution != hookspec.PROJECT:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _register(source: PluginSource) -> tuple[tuple[Component, ...], tuple[Path, ...]]:
    # Each plugin has its own manager, so that a misspelt hook is reported for this plugin alone.
    manager = pluggy.PluginManager(hookspec.PROJECT)
    manager.add_hookspecs(hookspec)
    manager.register(source.load(), name=source.name)
    manager.check_pending()
    if not manager.hook.janiform_register.get_hookimpls():
        raise ComponentError("it has no function janiform_register marked with @janiform.hookimpl")
    registrar = Registrar(source.name, source.distribution, source.version)
    if manager.hook.janiform_register(registrar=registrar):
        raise ComponentError("its janiform_register must be a plain function that returns None")
    return registrar.finish()


def _describe(error: BaseException) -> str:
    if isinstance(error, ComponentError):
        return str(error)
    if isinstance(error, pluggy.PluginValidationError):
        return _invalid(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = text_of(error)
    if isinstance(error, BaseExceptionGroup):
        text = f"{text}: {'; '.join(f'{type(one).__name__}: {text_of(one)}' for one in islice(_leaves(error), 10))}"
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__) + where + other_janiform(error)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group and of the groups in it."""
    stack = [error]
    while stack:
        one = stack.pop()
        if isinstance(one, BaseExceptionGroup):
            stack.extend(reversed(one.exceptions))
        else:
            yield one


def _invalid(error: pluggy.PluginValidationError) -> str:
    unknown = re.match(r"unknown hook '(\w+)'", str(error))
    if unknown is None:
        return str(error).replace("\n", " ").strip()
    hooks = [name for name, member in vars(hookspec).items() if hasattr(member, f"{hookspec.PROJECT}_spec")]
    code = getattr(getattr(error.plugin, unknown[1], None), "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
    return f"{where}there is no hook '{unknown[1]}' ({nearest(unknown[1], hooks)})"


def _is_machinery(filename: str) -> bool:
    """Whether a frame belongs to the import system, pluggy or this file, none of which causes a plugin's error."""
    folders = Path(filename).parts[-3:-1]
    return filename.startswith("<frozen") or filename == __file__ or "importlib" in folders or "pluggy" in folders
