"""The built-in tilings: a large picture as several crops."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import GridConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "tiling",
        "grid",
        config=GridConfig,
        factory="janiform_plugins.tilings.grid:GridTiling",
        summary="rows and columns of crops that fit the shape of the picture, and an overview, as in LLaVA-NeXT",
    )
