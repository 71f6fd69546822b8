"""Settings of GenEval. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class GenEvalConfig:
    """The prompts, how they are drawn, and the models that judge the pictures."""

    data: Path | None = field(
        default=None,
        metadata={"help": "GenEval's evaluation_metadata.jsonl, or a file of rewritten prompts, or the folder with it"},
    )
    limit: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "number of prompts, the first ones; 0 means all"}
    )
    pictures: int = field(
        default=4,
        validator=[validators.ge(1), validators.le(256)],
        metadata={"help": "number of pictures per prompt; published scores use 4"},
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
    allow_missing: bool = field(
        default=False,
        metadata={"help": "whether pictures may be missing where a folder of them is scored; they are left out"},
    )
