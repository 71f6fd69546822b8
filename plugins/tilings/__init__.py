"""Tilings: how a large picture is cut up to be looked at."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .grid.config import GridConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "tiling",
        "grid",
        config=GridConfig,
        factory="janiform_plugins.tilings.grid.tiling:GridTiling",
        summary="Rows and columns of crops, as the picture's shape wants, and an overview, as in LLaVA-NeXT",
    )
