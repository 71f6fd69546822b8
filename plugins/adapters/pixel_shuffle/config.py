"""How many features become one, and what maps them."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Features, Grid, Hidden, PortMismatch

from ..features import check_features


@frozen(kw_only=True)
class PixelShuffleConfig:
    """A token for every square of factor × factor features; their grid stays, with sides of 1 / factor."""

    factor: int = field(
        default=2,
        validator=validators.ge(1),
        metadata={"help": "side of the square of features that become one token; it divides both sides of their grid"},
    )
    depth: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of linear layers, with GELU between them"}
    )
    norm: bool = field(
        default=True,
        metadata={"help": "layer norm of the merged features, as in InternVL; Idefics3 has none, and a depth of 1"},
    )

    def merged(self, source: Features) -> Features:
        """The port between merging and the MLP. Raises ``PortMismatch`` for a grid that it does not divide."""
        check_features("pixel-shuffle", source)
        grid, factor = source.grid, self.factor
        if grid is None:
            raise PortMismatch(f"adapter 'pixel-shuffle' merges neighbours on a grid, but {source} lie on none")
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
