"""Settings of the built-in objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from janiform import Plan


TEXT = "text"
"""The words of a prompt, among the names of pathways that are hidden."""


@frozen(kw_only=True)
class ReconstructionConfig:
    """Which tokenizer is trained. Its losses and their weights are settings of the tokenizer."""

    pathway: str = field(default="generation", metadata={"help": "pathway whose tokenizer is trained"})

    def pathways(self) -> dict[str, str]:
        """The pathway that the settings name; either mode may have a tokenizer."""
        return {self.pathway: ""}

    def reads(self, plan: Plan) -> tuple[str, ...]:
        """The parts that the objective uses."""
        return (f"{self.pathway}.tokenizer",)


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

    def pathways(self) -> dict[str, str]:
        """The pathway that the settings name, which looks."""
        return {self.pathway: "look"}

    def reads(self, plan: Plan) -> tuple[str, ...]:
        """The parts that the objective uses."""
        return f"{self.pathway}.encoder", "text"


@frozen(kw_only=True)
class AutoregressiveConfig:
    """How samples are laid out in rows, and how often a prompt is blanked."""

    text_dropout: float = field(
        default=0.1,
        validator=[validators.ge(0), validators.le(1)],
        metadata={"help": "fraction of drawing samples whose prompt is blanked, to train guidance"},
    )
    dropout: dict[str, float] = field(
        factory=dict,
        validator=validators.deep_mapping(
            validators.instance_of(str), validators.and_(validators.ge(0), validators.le(1))
        ),
        metadata={
            "help": "fraction of drawing samples that hide the text of their prompt (text), or its pictures in a "
            "pathway (by the pathway's name), each by itself, to train guidance by pictures"
        },
    )
    sampled: bool = field(
        default=False,
        metadata={
            "help": "read samples of the posterior of latents also of pictures without a loss, such as those that are "
            "looked at, where the tokenizer has sampled = true; as BAGEL does"
        },
    )
    packed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "positions of a row that holds several samples, and the longest sample; rows are up to twice as "
            "long where that leaves less padding; 0 gives each sample its own row"
        },
    )
    too_long: Literal["cut", "skip"] = field(
        default="cut",
        metadata={
            "help": "what happens to a sample longer than a packed row, or than the backbone's context without "
            "packing: cut by the layout's rule, or skipped; both are counted"
        },
    )

    def pathways(self) -> dict[str, str]:
        """The pathways whose pictures are hidden."""
        return {name: "look" for name in self.dropout if name != TEXT}
