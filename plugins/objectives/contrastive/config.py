"""Settings of the contrastive objective."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class ContrastiveConfig:
    """Which encoder is trained, and the text tower for it, which exists only in training."""

    pathway: str = field(default="understanding", metadata={"help": "pathway whose encoder is trained"})
    width: int = field(default=128, validator=validators.gt(0), metadata={"help": "width of the text tower"})
    layers: int = field(default=3, validator=validators.gt(0), metadata={"help": "layers of the text tower"})
    heads: int = field(
        default=4,
        validator=validators.gt(0),
        metadata={"help": "attention heads of the text tower; they divide its width"},
    )
    length: int = field(
        default=64, validator=validators.gt(0), metadata={"help": "maximum number of tokens of a caption"}
    )
    decoder: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "layers of a decoder that also predicts each caption from all features of its picture, as in "
            "SigLIP 2 (arXiv:2502.14786), with the loss 'caption'; 0 means no decoder"
        },
    )
    temperature: float = field(
        default=10.0,
        validator=validators.gt(0),
        metadata={"help": "initial factor of the cosine of a pair; short training needs a larger one"},
    )
    bias: float = field(
        default=-10.0, metadata={"help": "initial bias of a pair's score; below 0, since most pairs do not match"}
    )
    pool: Literal["attention", "mean"] = field(
        default="attention",
        metadata={"help": "pooling of a picture's features into one vector: by a learned query, or the mean"},
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
