"""Chat formats: conversations to typed spans."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .janus.config import PRESETS, JanusConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "layout",
        "janus",
        config=JanusConfig,
        presets=PRESETS,
        factory="janiform_plugins.layouts.janus.layout:JanusLayout",
        summary="The 'deepseek' template of Janus and Janus-Pro",
    )
