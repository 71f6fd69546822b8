"""The settings of tiling on a grid. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class GridConfig:
    """The maximum number of crops of a picture, each as large as the encoder's input."""

    tiles: int = field(
        default=4,
        validator=validators.ge(1),
        metadata={"help": "maximum number of crops of one picture, not counting the overview"},
    )
    overview: Literal["first", "last", "none"] = field(
        default="first", metadata={"help": "position of the downscaled whole picture among its crops, or none"}
    )

    @property
    def most(self) -> int:
        """The maximum number of pictures that one picture becomes."""
        return self.tiles + (self.overview != "none") if self.tiles > 1 else 1
