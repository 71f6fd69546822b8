"""The sizes that every vision transformer has. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators
from janiform import Features, Grid, PadToSquare

Activation = Literal["gelu", "gelu-tanh", "quick-gelu"]

HALF = (0.5, 0.5, 0.5)


@frozen(kw_only=True)
class PatchesOfPictures:
    """Square pictures cut into square patches, each a token of ``width``."""

    image_size: int = field(
        default=224,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of patch_size where no edges are cut"},
    )
    patch_size: int = field(
        default=16,
        validator=validators.gt(0),
        metadata={"help": "side of the square of pixels that becomes a token"},
    )
    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the features"})
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

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.patch_size
        return Grid(side, side)

    def features(self) -> Features:
        return Features(tokens=self.grid.size, width=self.width, grid=self.grid)

    def transform(self) -> PadToSquare:
        return PadToSquare(self.image_size, mean=self.mean, std=self.std, min_size=self.min_size)


@frozen(kw_only=True)
class VitConfig(PatchesOfPictures):
    """Blocks of attention and MLP over the patches of a picture."""

    layers: int = field(default=12, validator=validators.ge(0), metadata={"help": "number of transformer blocks"})
    heads: int = field(
        default=12, validator=validators.gt(0), metadata={"help": "attention heads in a block; they divide the width"}
    )
    inner: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "inner width of the MLPs; 0 is four times the width"}
    )
    eps: float = field(
        default=1e-6, validator=validators.gt(0), metadata={"help": "added to the variance in the layer norms"}
    )
    cut_edges: bool = field(
        default=False,
        metadata={"help": "leave out the pixels at the right and lower edges that make no whole patch"},
    )

    def __attrs_post_init__(self) -> None:
        if not self.cut_edges:
            check_multiple("image_size", self.image_size, "patch_size", self.patch_size)
        elif self.image_size < self.patch_size:
            raise ValueError(f"image_size {self.image_size} is smaller than patch_size {self.patch_size}")
        check_multiple("width", self.width, "heads", self.heads)

    @property
    def inner_width(self) -> int:
        return self.inner or 4 * self.width


@frozen(kw_only=True)
class ResizedVitConfig(VitConfig):
    """A ViT with a class token, whose table of positions may have been learned from pictures of another size."""

    table_size: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "side in pixels of the pictures that the table of positions is for, as in the files; it is "
            "interpolated where image_size is another; 0 is image_size"
        },
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_multiple("table_size", self.table_size, "patch_size", self.patch_size)

    @property
    def table_rows(self) -> int:
        """Rows of the table of positions: the class token's, then one a patch."""
        return 1 + ((self.table_size or self.image_size) // self.patch_size) ** 2


def check_multiple(name: str, value: int, unit_name: str, unit: int) -> None:
    """Raises ``ValueError`` with a sentence where a setting is not a multiple of another."""
    if value % unit:
        raise ValueError(f"{name} {value} is not a multiple of {unit_name} {unit}")
