"""The bridge to transformers: its causal language models and vision models as parts of a recipe."""

from janiform import hookimpl

from .config import BridgedBackboneConfig, BridgedEncoderConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "backbone",
        "transformers",
        version=1,
        config=BridgedBackboneConfig,
        factory="janiform_plugins.bridge.backbone:BridgedBackbone",
        released="janiform_plugins.bridge.weights:BACKBONE",
        summary="any causal language model of transformers, by its config.json",
    )
    registrar.component(
        "encoder",
        "transformers",
        version=1,
        config=BridgedEncoderConfig,
        factory="janiform_plugins.bridge.encoder:BridgedEncoder",
        released="janiform_plugins.bridge.weights:ENCODER",
        summary="any vision model of transformers, by its config.json",
    )
