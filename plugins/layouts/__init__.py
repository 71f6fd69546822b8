"""The built-in layouts: chat templates, which render conversations as typed spans."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import PRESETS, JanusConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "layout",
        "janus",
        config=JanusConfig,
        presets=PRESETS,
        factory="janiform_plugins.layouts.janus:JanusLayout",
        summary="the 'deepseek' template of Janus and Janus-Pro",
    )
