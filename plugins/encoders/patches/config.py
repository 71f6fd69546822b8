"""The sizes of the patches that a language model sees as they are."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Features, Grid, PadToSquare

from ..vit.config import HALF, check_multiple


@frozen(kw_only=True)
class PatchesConfig:
    """One linear map of each patch's pixels, as in Fuyu-8B; what a picture means is left to the language model."""

    image_size: int = field(
        default=480,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of patch_size"},
    )
    patch_size: int = field(
        default=30,
        validator=validators.gt(0),
        metadata={"help": "side of the square of pixels that becomes a token"},
    )
    width: int = field(default=1024, validator=validators.gt(0), metadata={"help": "width of the features"})
    positions: bool = field(
        default=False,
        metadata={"help": "add a learned vector for each row and one for each column; Fuyu has none"},
    )
    mean: tuple[float, float, float] = field(
        default=HALF, converter=tuple, metadata={"help": "subtracted from each colour, of values in [0, 1]"}
    )
    std: tuple[float, float, float] = field(
        default=HALF, converter=tuple, metadata={"help": "divides each colour, after the mean is subtracted"}
    )
    min_size: int = field(
        default=14,
        validator=validators.gt(0),
        metadata={"help": "least side in pixels that a long picture is scaled down to, before it is padded"},
    )

    def __attrs_post_init__(self) -> None:
        check_multiple("image_size", self.image_size, "patch_size", self.patch_size)

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.patch_size
        return Grid(side, side)

    def features(self) -> Features:
        return Features(tokens=self.grid.size, width=self.width, grid=self.grid)

    def transform(self) -> PadToSquare:
        return PadToSquare(self.image_size, mean=self.mean, std=self.std, min_size=self.min_size)
