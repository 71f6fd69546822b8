"""Samplers: the ways in which the codes of a picture are drawn."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import AutoregressiveConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "sampler",
        "autoregressive",
        config=AutoregressiveConfig,
        factory="janiform_plugins.samplers.autoregressive:AutoregressiveSampler",
        summary="One code after the other in raster order, with classifier-free guidance",
    )
