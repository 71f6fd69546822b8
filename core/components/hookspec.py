"""The hook with which a plugin registers its components.

A plugin is a module named by an entry point of the group ``janiform``::

    [project.entry-points.janiform]
    mycodec = "janiform_mycodec"

which holds one function, marked as an implementation of the hook below::

    from janiform import hookimpl

    @hookimpl
    def janiform_register(registrar):
        registrar.component(
            "tokenizer",
            "mycodec",
            config=MyCodecConfig,
            factory="janiform_mycodec.model:MyCodec",
            summary="one line that says what it is",
        )
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from .registrar import Registrar

PROJECT = "janiform"
"""The name of the entry-point group, and the prefix of every hook."""

hookspec = pluggy.HookspecMarker(PROJECT)

hookimpl: Callable[..., Any] = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


@hookspec
def janiform_register(registrar: Registrar) -> None:
    """Register the plugin's components and recipes.

    Called once per process, when a component is first looked up, which every command does. It must therefore not
    import torch: a registration names the factory without importing it.

    :param registrar: collects the registrations of this plugin alone.
    """
