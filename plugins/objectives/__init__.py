"""The built-in objectives."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import AlignedConfig, AutoregressiveConfig, ContrastiveConfig, ReconstructionConfig, SemanticConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "objective",
        "reconstruction",
        config=ReconstructionConfig,
        factory="janiform_plugins.objectives.reconstruction:Reconstruction",
        summary="trains a visual tokenizer to reconstruct the pictures it encodes",
    )
    registrar.component(
        "objective",
        "contrastive",
        config=ContrastiveConfig,
        factory="janiform_plugins.objectives.contrastive:Contrastive",
        summary="trains an encoder to match pictures and captions, with the sigmoid loss of SigLIP",
    )
    registrar.component(
        "objective",
        "semantic",
        config=SemanticConfig,
        factory="janiform_plugins.objectives.semantic:Semantic",
        summary="trains a visual tokenizer to reconstruct pictures and to match captions, as in VILA-U and UniTok",
    )
    registrar.component(
        "objective",
        "autoregressive",
        config=AutoregressiveConfig,
        factory="janiform_plugins.objectives.autoregressive:Autoregressive",
        summary="predicts the next token of answers, texts and the codes of pictures",
    )
    registrar.component(
        "objective",
        "aligned",
        config=AlignedConfig,
        factory="janiform_plugins.objectives.aligned:Aligned",
        summary="autoregressive, with states of drawn pictures aligned with an encoder's features, as in JanusFlow",
    )
