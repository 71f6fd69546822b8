"""Settings of the contrastive objective."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class ContrastiveConfig:
    """Which encoder learns, and the text tower that it learns against, which only training has."""

    pathway: str = field(default="understanding", metadata={"help": "the pathway whose encoder is trained"})
    width: int = field(default=128, validator=validators.gt(0), metadata={"help": "width of the text tower"})
    layers: int = field(default=3, validator=validators.gt(0), metadata={"help": "layers of the text tower"})
    heads: int = field(
        default=4,
        validator=validators.gt(0),
        metadata={"help": "attention heads of the text tower; they divide its width"},
    )
    length: int = field(
        default=64, validator=validators.gt(0), metadata={"help": "tokens of a caption that are read at most"}
    )
    decoder: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "layers of a decoder that also tells each caption from all features of its picture, as in SigLIP 2 "
            "(arXiv:2502.14786), whose loss is called caption; 0: none"
        },
    )
    temperature: float = field(
        default=10.0,
        validator=validators.gt(0),
        metadata={"help": "what the cosine of a pair is multiplied by when training begins; a short one wants more"},
    )
    bias: float = field(
        default=-10.0, metadata={"help": "what is added to it: nearly all pairs are unlike, and so it begins below 0"}
    )
    pool: Literal["attention", "mean"] = field(
        default="attention",
        metadata={"help": "how features of a picture become one vector: a learned query, or the mean"},
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
