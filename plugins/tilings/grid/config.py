"""The settings of tiling on a grid."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class GridConfig:
    """At most so many crops of a picture, each as large as what the encoder sees."""

    tiles: int = field(
        default=4,
        validator=validators.ge(1),
        metadata={"help": "the most crops of one picture, the overview not counted"},
    )
    overview: Literal["first", "last", "none"] = field(
        default="first", metadata={"help": "where the whole picture is seen beside its crops, if it is"}
    )

    @property
    def most(self) -> int:
        """The most pictures that one is seen as."""
        return self.tiles + (self.overview != "none") if self.tiles > 1 else 1
