"""The settings of the sinks. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class TensorBoardConfig:
    """The folder of the event files."""

    folder: str = field(
        default="tensorboard",
        metadata={"help": "folder of the event files; a relative path starts at the run's folder"},
    )


@frozen(kw_only=True)
class WandbConfig:
    """The project that a run belongs to."""

    project: str = field(default="janiform", metadata={"help": "project of the run; it is created where needed"})
    entity: str = field(default="", metadata={"help": "user or team; by default that of the account"})
    name: str = field(default="", metadata={"help": "name of the run; by default that of its folder"})
    tags: tuple[str, ...] = field(default=(), metadata={"help": "tags of the run"})
    mode: Literal["", "online", "offline"] = field(
        default="",
        metadata={"help": "offline writes files only, for `wandb sync`; by default $WANDB_MODE, or online"},
    )
