"""Settings of the sink `wandb`."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class WandbConfig:
    """Which project a run belongs to."""

    project: str = field(default="janiform", metadata={"help": "of Weights & Biases, made where there is none"})
    entity: str = field(default="", metadata={"help": "user or team; the account's own where it is left out"})
    name: str = field(default="", metadata={"help": "of the run; that of its folder where it is left out"})
    tags: tuple[str, ...] = field(default=(), metadata={"help": "to find the run by"})
    mode: Literal["", "online", "offline"] = field(
        default="",
        metadata={
            "help": "offline writes files only, for `wandb sync`; where it is left out, WANDB_MODE says it, or online"
        },
    )
