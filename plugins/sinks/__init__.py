"""The built-in sinks: where the figures of a run go besides its own log."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import TensorBoardConfig, WandbConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "sink",
        "tensorboard",
        config=TensorBoardConfig,
        factory="janiform_plugins.sinks.tensorboard:TensorBoardSink",
        summary="TensorBoard's event files; pip install 'janiform[tensorboard]'",
    )
    registrar.component(
        "sink",
        "wandb",
        config=WandbConfig,
        factory="janiform_plugins.sinks.wandb:WandbSink",
        summary="Weights & Biases; pip install 'janiform[wandb]'",
    )
