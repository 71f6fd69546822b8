"""A registered component: its name, its config, the plugin that provides it, and the import path of its code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import reduce
from importlib import import_module
from typing import Any

from attrs import field, frozen

from ..errors import ComponentError, Problem
from ..untrusted_text import text_of
from ..weights import Released

NAME = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*")
"""Names of components: lower-case words and numbers, joined by single hyphens or dots (``siglip``, ``mlp-gelu``)."""

PRESET = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
"""Names of presets: as those of components, but they may begin with a number, as sizes do (``1.5b``)."""

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""An import path as in an entry point: ``package.module:name``."""


@frozen
class Component:
    """One version of a named component. Creating it imports nothing; ``load`` imports its code.

    ``config`` is the attrs class of its settings, ``presets`` are settings by name, as plain data, and ``factory`` is
    the import path of the callable that builds it, ``"module:name"``. ``released`` is the import path of a ``Released``
    with the names of its tensors in other projects' directories; empty where there is none.
    """

    kind: str
    name: str
    version: int
    config: type[Any]
    presets: Mapping[str, Mapping[str, Any]] = field(repr=False, hash=False)
    factory: str
    summary: str
    plugin: str
    distribution: str = ""
    distribution_version: str = ""
    released: str = ""

    @property
    def reference(self) -> str:
        """The name with which a recipe selects exactly this version: ``"siglip@1"``."""
        return f"{self.name}@{self.version}"

    @property
    def provider(self) -> str:
        """The plugin and its distribution, for messages."""
        return provider(self.plugin, self.distribution, self.distribution_version)

    def load(self) -> Callable[..., Any]:
        """Import and return the factory.

        Raises ``ComponentError`` naming the plugin where the import fails or the module lacks the name.
        """
        factory = self._imported(self.factory)
        if not callable(factory):
            raise ComponentError(
                f"{self.kind} '{self.reference}' of {self.provider} names '{self.factory}', which cannot be called"
            )
        loaded: Callable[..., Any] = factory
        return loaded

    def released_weights(self) -> Released | None:
        """The names of its tensors in the directories of other projects; None where the component has none.

        Raises ``ComponentError`` naming the plugin where the import fails or gives something else.
        """
        if not self.released:
            return None
        released = self._imported(self.released)
        if not isinstance(released, Released):
            raise ComponentError(
                f"{self.kind} '{self.reference}' of {self.provider} names '{self.released}', which is not "
                "a janiform.Released"
            )
        return released

    def _imported(self, path: str) -> Any:
        module, _, attribute = path.partition(":")
        try:
            return reduce(getattr, attribute.split("."), import_module(module))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin's module may do anything while it is imported
            raise ComponentError(
                Problem(
                    f"{self.kind} '{self.reference}' of {self.provider} cannot be loaded from '{path}': "
                    f"{type(error).__name__}: {text_of(error)}",
                    hint=_remedy(error),
                )
            ) from error


def provider(plugin: str, distribution: str, version: str) -> str:
    """A plugin and its distribution, for messages."""
    return f"plugin '{plugin}'" + (f" ({distribution} {version})".replace(" )", ")") if distribution else "")


def _remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"is the package that holds '{error.name}' installed?"
    return ""
