"""The settings of the adapters; their widths follow from what they connect. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import evolve, field, frozen, validators
from janiform import Features, Grid, Hidden, PortMismatch


def _check_features(adapter: str, source: object) -> None:
    """Raise ``PortMismatch`` unless the source of an adapter is features of a positive width."""
    if not isinstance(source, Features):
        raise PortMismatch(
            f"adapter '{adapter}' needs features [B, N, width], but its source is {source}: add an embedding"
        )
    if source.width < 1:
        raise PortMismatch(f"adapter '{adapter}' needs features of a positive width, but its source is {source}")


@frozen(kw_only=True)
class IdentityAdapterConfig:
    """Features that already have the hidden width, unchanged."""

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        _check_features("identity", source)
        if source.width != hidden.width:
            raise PortMismatch(
                f"adapter 'identity' keeps the width of the features, which is {source.width}, but the backbone has a "
                f"width of {hidden.width}: set both to the same width, or use adapter 'linear'"
            )
        return source


@frozen(kw_only=True)
class LinearAdapterConfig:
    """One matrix, applied to each feature separately."""

    bias: bool = field(default=True, metadata={"help": "add a learned bias to the output"})
    lead: bool = field(
        default=False, metadata={"help": "put a learned vector before those of each picture, as JanusFlow does"}
    )

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        _check_features("linear", source)
        lead = int(self.lead)
        return evolve(source, tokens=source.tokens + lead, width=hidden.width, lead=source.lead + lead)


@frozen(kw_only=True)
class MlpAdapterConfig:
    """Linear layers with an activation between them, applied to each feature separately."""

    depth: int = field(
        default=2,
        validator=validators.ge(1),
        metadata={"help": "number of linear layers, with an activation between them"},
    )
    activation: Literal["gelu", "gelu-tanh", "silu"] = field(
        default="gelu",
        metadata={
            "help": "activation between the layers: gelu as in Janus, gelu-tanh, its approximation in BAGEL, or silu "
            "as in Harmon"
        },
    )
    positions: Literal["none", "waves"] = field(
        default="none",
        metadata={
            "help": "position vectors that are added to the output: none, or fixed waves of column and row as in BAGEL"
        },
    )

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        _check_features("mlp", source)
        if self.positions == "waves":
            if source.grid is None or source.grid.size != source.tokens:
                raise PortMismatch(f"adapter 'mlp' adds waves of column and row, but {source} are not on a grid")
            if hidden.width % 4:
                raise PortMismatch(
                    "waves of columns and rows need a width that is a multiple of 4, but the backbone has "
                    f"{hidden.width}: set positions to none"
                )
        return evolve(source, width=hidden.width)


@frozen(kw_only=True)
class PixelShuffleConfig:
    """One token per square of factor × factor features; the sides of the grid are divided by factor."""

    factor: int = field(
        default=2,
        validator=validators.ge(1),
        metadata={"help": "side of the square of features that is merged into a token; divides both sides of the grid"},
    )
    depth: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of linear layers, with GELU between them"}
    )
    norm: bool = field(
        default=True,
        metadata={"help": "layer norm of the merged features, as in InternVL; Idefics3 has no norm, and a depth of 1"},
    )

    def merged(self, source: Features) -> Features:
        """The port between merging and MLP. Raises ``PortMismatch`` unless ``factor`` divides the features' grid."""
        _check_features("pixel-shuffle", source)
        grid, factor = source.grid, self.factor
        if grid is None:
            raise PortMismatch(f"adapter 'pixel-shuffle' merges neighbours on a grid, but {source} are not on a grid")
        if grid.height % factor or grid.width % factor:
            raise PortMismatch(
                f"adapter 'pixel-shuffle' merges squares of {factor}×{factor} features, which do not fill a grid of "
                f"{grid}"
            )
        smaller = Grid(grid.height // factor, grid.width // factor)
        return Features(tokens=smaller.size, width=factor**2 * source.width, grid=smaller)

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        merged = self.merged(source)
        return Features(tokens=merged.tokens, width=hidden.width, grid=merged.grid)


@frozen(kw_only=True)
class ResamplerConfig:
    """One token per learned query, whatever the number of features; the tokens do not lie on a grid."""

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
        metadata={"help": "width of the queries; 0 means the backbone's hidden width"},
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "inner width of the MLPs; 0 means four times the width of the queries"},
    )
    mutual: bool = field(
        default=True,
        metadata={
            "help": "let queries attend to each other as well as to the features, as in Flamingo; otherwise to the "
            "features alone, as in Qwen-VL"
        },
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        _check_features("resampler", source)
        if not self.width and hidden.width % self.heads:
            raise PortMismatch(
                f"the queries of adapter 'resampler' have the hidden width of {hidden.width}, which is not a multiple "
                f"of {self.heads} heads: set 'heads' or 'width'"
            )
        return Features(tokens=self.queries, width=hidden.width)
