"""The sizes of a SigLIP vision transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Features, Grid, PadToSquare

if TYPE_CHECKING:
    from collections.abc import Mapping

HALF = (0.5, 0.5, 0.5)


@frozen(kw_only=True)
class SiglipConfig:
    """A ViT (arXiv:2010.11929) with learned positions and a final norm, without a class token."""

    image_size: int = field(
        default=224,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of patch_size"},
    )
    patch_size: int = field(
        default=16,
        validator=validators.gt(0),
        metadata={"help": "side of the square of pixels that becomes a token"},
    )
    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the features"})
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
    attention_pool: bool = field(
        default=False,
        metadata={"help": "also build the attention-pooling head (one vector a picture), which Janus does not use"},
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
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.patch_size
        return Grid(side, side)

    def features(self) -> Features:
        return Features(tokens=self.grid.size, width=self.width, grid=self.grid)

    def transform(self) -> PadToSquare:
        return PadToSquare(self.image_size, mean=self.mean, std=self.std, min_size=self.min_size)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "large-patch16-384": {"image_size": 384, "patch_size": 16, "width": 1024, "layers": 24, "heads": 16, "inner": 4096},
}
