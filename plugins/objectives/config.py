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
class MatchingConfig:
    """What is trained with captions, and the text tower for it, which exists only in training."""

    pathway: str
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


@frozen(kw_only=True)
class ContrastiveConfig(MatchingConfig):
    """Which encoder is trained, and the text tower for it, which exists only in training."""

    pathway: str = field(
        default="understanding",
        metadata={"help": "pathway whose encoder is trained, or that of its tokenizer 'features'"},
    )

    def pathways(self) -> dict[str, str]:
        """The pathway that the settings name, which looks."""
        return {self.pathway: "look"}

    def reads(self, plan: Plan) -> tuple[str, ...]:
        """The parts that the objective uses."""
        return self.encoder_of(plan), "text"

    def encoder_of(self, plan: Plan) -> str:
        """The path of the part that is trained: an encoder, or a tokenizer whose latents are the features of one."""
        path = f"{self.pathway}.encoder"
        return path if path in plan.parts else f"{self.pathway}.tokenizer"


@frozen(kw_only=True)
class SemanticConfig(MatchingConfig):
    """Which tokenizer is trained, and the text tower for it, which exists only in training.

    The tokenizer's own losses and their weights are settings of the tokenizer.
    """

    pathway: str = field(default="generation", metadata={"help": "pathway whose tokenizer is trained"})

    def pathways(self) -> dict[str, str]:
        """The pathway that the settings name; either mode may have a tokenizer."""
        return {self.pathway: ""}

    def reads(self, plan: Plan) -> tuple[str, ...]:
        """The parts that the objective uses."""
        return f"{self.pathway}.tokenizer", "text"


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


@frozen(kw_only=True)
class AlignedConfig(AutoregressiveConfig):
    """Beside next-token prediction, states of drawn pictures are aligned with an encoder's features, as in JanusFlow.

    The loss is named ``alignment``; its weight is set by the stage, as ``weights = { alignment = 1.0 }``.
    """

    drawing: str = field(default="generation", metadata={"help": "pathway whose pictures that are drawn are aligned"})
    encoder: str = field(
        default="understanding", metadata={"help": "pathway that looks, with whose encoder's features they are aligned"}
    )
    block: int = field(
        default=6,
        validator=validators.ge(1),
        metadata={"help": "block of the backbone after which the states are taken, counted from 1; 6 in JanusFlow"},
    )
    layers: int = field(
        default=3,
        validator=validators.ge(1),
        metadata={"help": "number of linear layers from the states to the features, with SiLU between them"},
    )
    width: int = field(
        default=2048,
        validator=validators.ge(0),
        metadata={"help": "width between these layers; 0 means the width of the hidden states"},
    )

    def __attrs_post_init__(self) -> None:
        if self.drawing == self.encoder:
            raise ValueError(f"drawing and encoder are two pathways, and both are '{self.drawing}'")

    def pathways(self) -> dict[str, str]:
        """The pathways whose pictures are hidden, that which draws, and that which looks."""
        return {**super().pathways(), self.drawing: "draw", self.encoder: "look"}
