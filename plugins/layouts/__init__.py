"""The built-in layouts: chat templates, which render conversations as typed spans."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import (
    EMU3_PRESETS,
    JANUS_PRESETS,
    BagelLayoutConfig,
    ChameleonLayoutConfig,
    Emu3LayoutConfig,
    HarmonLayoutConfig,
    JanusConfig,
    ShowOLayoutConfig,
    TokenflowLayoutConfig,
)


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "layout",
        "janus",
        config=JanusConfig,
        presets=JANUS_PRESETS,
        factory="janiform_plugins.layouts.janus:JanusLayout",
        summary="the 'deepseek' template of Janus and Janus-Pro",
    )
    registrar.component(
        "layout",
        "chameleon",
        config=ChameleonLayoutConfig,
        factory="janiform_plugins.layouts.chameleon:ChameleonLayout",
        summary="turns of Chameleon, which end with a token, and pictures anywhere in them",
    )
    registrar.component(
        "layout",
        "emu3",
        config=Emu3LayoutConfig,
        presets=EMU3_PRESETS,
        factory="janiform_plugins.layouts.emu3:Emu3Layout",
        summary="prompts for pictures of Emu3-Gen, whose size is a text, and conversations of Emu3-Chat",
    )
    registrar.component(
        "layout",
        "harmon",
        config=HarmonLayoutConfig,
        factory="janiform_plugins.layouts.harmon:HarmonLayout",
        summary="the chat template of Qwen2.5, as Harmon asks for pictures and about them",
    )
    registrar.component(
        "layout",
        "show-o",
        config=ShowOLayoutConfig,
        factory="janiform_plugins.layouts.show_o:ShowOLayout",
        summary="prompts of Show-o, whose pictures are full blocks with the tokens around them",
    )
    registrar.component(
        "layout",
        "bagel",
        config=BagelLayoutConfig,
        factory="janiform_plugins.layouts.bagel:BagelLayout",
        summary="texts without roles and pictures as full blocks of one position, as in BAGEL",
    )
    registrar.component(
        "layout",
        "tokenflow",
        config=TokenflowLayoutConfig,
        factory="janiform_plugins.layouts.tokenflow:TokenflowLayout",
        summary="prompts of TokenFlow's drawing model, after which a picture begins at once",
    )
