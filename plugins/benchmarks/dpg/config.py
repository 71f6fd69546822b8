"""Settings of DPG-Bench. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class DpgBenchConfig:
    """The prompts and questions, how pictures are drawn, and the model that answers the questions."""

    data: Path | None = field(
        default=None,
        metadata={"help": "folder with dpg_bench.csv and the folder prompts; or the CSV, whose texts are then drawn"},
    )
    limit: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "number of prompts, the first ones; 0 means all"}
    )
    pictures: int = field(
        default=4,
        validator=validators.in_((1, 4)),
        metadata={"help": "number of pictures per prompt: 4 in a 2×2 grid, as published scores use, or 1"},
    )
    seed: int = field(
        default=42,
        validator=[validators.ge(0), validators.le(2**62)],
        metadata={"help": "seed of the first picture of every prompt; the others have the seeds after it"},
    )
    guidance: float | None = field(default=None, metadata={"help": "guidance scale; overrides the recipe's"})
    temperature: float | None = field(default=None, metadata={"help": "sampling temperature; overrides the recipe's"})
    top_k: int | None = field(
        default=None, metadata={"help": "sample from the K most likely codes; overrides the recipe's"}
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
    allow_missing: bool = field(
        default=False,
        metadata={"help": "whether pictures may be missing where a folder of them is scored; they are left out"},
    )
