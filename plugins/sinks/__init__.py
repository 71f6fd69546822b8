"""Sinks: where the figures of a run go beside its own log."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .tensorboard.config import TensorBoardConfig
from .wandb.config import WandbConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "sink",
        "tensorboard",
        config=TensorBoardConfig,
        factory="janiform_plugins.sinks.tensorboard.sink:TensorBoardSink",
        summary="TensorBoard's event files; pip install 'janiform[tensorboard]'",
    )
    registrar.component(
        "sink",
        "wandb",
        config=WandbConfig,
        factory="janiform_plugins.sinks.wandb.sink:WandbSink",
        summary="Weights & Biases; pip install 'janiform[wandb]'",
    )
