"""The sizes of a resampler."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Features, Hidden, PortMismatch

from ..features import check_features


@frozen(kw_only=True)
class ResamplerConfig:
    """A token for every query, however many features there are; the tokens lie on no grid."""

    queries: int = field(default=64, validator=validators.ge(1), metadata={"help": "number of learned queries"})
    layers: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of blocks of cross-attention and an MLP"}
    )
    heads: int = field(
        default=8, validator=validators.ge(1), metadata={"help": "number of attention heads; they divide the width"}
    )
    width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of the queries; 0 is the backbone's hidden width"},
    )
    inner: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "width inside the MLPs; 0 is four times the queries'"}
    )
    mutual: bool = field(
        default=True,
        metadata={
            "help": "whether queries attend to one another beside the features, as in Flamingo; otherwise to the "
            "features alone, as in Qwen-VL"
        },
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        check_features("resampler", source)
        if not self.width and hidden.width % self.heads:
            raise PortMismatch(
                f"the queries of adapter 'resampler' have the hidden width of {hidden.width}, which does not divide "
                f"into {self.heads} heads: give it other heads, or a width of its own"
            )
        return Features(tokens=self.queries, width=hidden.width)
