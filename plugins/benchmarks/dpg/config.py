"""Settings of DPG-Bench. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators
from janiform_plugins.benchmarks.drawings_config import DrawingsConfig


@frozen(kw_only=True)
class DpgBenchConfig(DrawingsConfig):
    """The prompts and questions, how pictures are drawn, and the model that answers the questions."""

    data: Path | None = field(
        default=None,
        metadata={"help": "folder with dpg_bench.csv and the folder prompts; or the CSV, whose texts are then drawn"},
    )
    pictures: int = field(
        default=4,
        validator=validators.in_((1, 4)),
        metadata={"help": "number of pictures per prompt: 4 in a 2×2 grid, as published scores use, or 1"},
    )
    official: Path | None = field(
        default=None, metadata={"help": "folder where grids of drawings are also written for the official scorer"}
    )
    vqa: Literal["blip", "vilt", "janiform"] = field(
        default="blip",
        metadata={"help": "the model that answers the questions: BLIP or ViLT of transformers, or one of janiform"},
    )
    vqa_weights: Path | None = field(
        default=None, metadata={"help": "folder of the model that answers the questions; without it nothing is scored"}
    )
    judge_device: Literal["auto", "cpu", "cuda"] = field(
        default="auto", metadata={"help": "device of the model that answers; auto takes a GPU where there is one"}
    )
    resolution: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "side in pixels of a picture in grids made elsewhere; 0 means half of the grid's width"},
    )
