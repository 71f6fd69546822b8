"""Settings of GenEval. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators
from janiform_plugins.benchmarks.drawings_config import DrawingsConfig


@frozen(kw_only=True)
class GenEvalConfig(DrawingsConfig):
    """The prompts, how they are drawn, and the models that judge the pictures."""

    data: Path | None = field(
        default=None,
        metadata={"help": "GenEval's evaluation_metadata.jsonl, or a file of rewritten prompts, or the folder with it"},
    )
    pictures: int = field(
        default=4,
        validator=[validators.ge(1), validators.le(256)],
        metadata={"help": "number of pictures per prompt; published scores use 4"},
    )
    official: Path | None = field(
        default=None, metadata={"help": "folder where drawings are also written as the official scorer reads them"}
    )
    detector: Literal["mask2former", "zero-shot"] = field(
        default="mask2former",
        metadata={
            "help": "mask2former: instance segmentation as by the official scorer; zero-shot: OWL-ViT, OWLv2 or "
            "Grounding DINO, whose scores are not comparable with published ones"
        },
    )
    detector_weights: Path | None = field(
        default=None,
        metadata={"help": "folder of the detector in the layout of transformers; without it nothing is scored"},
    )
    colour_weights: Path | None = field(
        default=None, metadata={"help": "folder of a CLIP model of transformers, which names the colours of objects"}
    )
    max_overlap: float = field(
        default=1.0,
        validator=[validators.gt(0), validators.le(1)],
        metadata={"help": "drop objects that overlap a more certain one of their class this much (IoU); 1 drops none"},
    )
    judge_device: Literal["auto", "cpu", "cuda"] = field(
        default="auto", metadata={"help": "device of the models that judge; auto takes a GPU where there is one"}
    )
