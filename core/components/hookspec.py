"""The one hook by which a plugin joins in.

A plugin is a module named by an entry point of the group ``janiform``::

    [project.entry-points.janiform]
    mycodec = "janiform_mycodec"

and holds one function, marked as an implementation of the hook below::

    from janiform import hookimpl

    @hookimpl
    def janiform_register(registrar):
        registrar.component(
            "tokenizer",
            "mycodec",
            config=MyCodecConfig,
            factory="janiform_mycodec.model:MyCodec",
            summary="What it is, in one line",
        )
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from .registrar import Registrar

PROJECT = "janiform"
"""The entry-point group, and the prefix of every hook."""

hookspec = pluggy.HookspecMarker(PROJECT)

hookimpl: Callable[..., Any] = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


@hookspec
def janiform_register(registrar: Registrar) -> None:
    """Register the plugin's components and recipes.

    Called once, when the process first asks for a component. It runs also for ``janiform plugins`` and
    ``janiform check``, so it must not import torch: a registration names the factory, it does not import it.

    :param registrar: belongs to this plugin alone; whatever is registered through it is the plugin's.
    """
