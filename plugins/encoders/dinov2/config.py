"""The sizes of a DINOv2 vision transformer, with or without registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators

from ..vit.config import ResizedVitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@frozen(kw_only=True)
class Dinov2Config(ResizedVitConfig):
    """A ViT with a class token, scaled blocks and a final norm (arXiv:2304.07193), and registers (arXiv:2309.16588)."""

    registers: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "learned tokens that are not features: 4 in the weights with registers; with any, "
            "positions are interpolated with antialiasing"
        },
    )
    ffn: Literal["mlp", "swiglu"] = field(
        default="mlp", metadata={"help": "what follows the attention in a block: mlp with GELU, or swiglu as in giant"}
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "inner width of the MLPs or SwiGLUs; 0 is four times the width for mlp, and two thirds of that, "
            "rounded up to a multiple of 8, for swiglu"
        },
    )
    layer_scale: float = field(
        default=1e-5,
        validator=validators.gt(0),
        metadata={"help": "first value of the learned scales of what the blocks add; matters where nothing is loaded"},
    )
    mean: tuple[float, float, float] = field(
        default=IMAGENET_MEAN, converter=tuple, metadata={"help": "subtracted from each colour, of values in [0, 1]"}
    )
    std: tuple[float, float, float] = field(
        default=IMAGENET_STD, converter=tuple, metadata={"help": "divides each colour, after the mean is subtracted"}
    )

    @property
    def inner_width(self) -> int:
        if self.inner or self.ffn == "mlp":
            return super().inner_width
        return -(-(8 * self.width // 3) // 8) * 8


_PICTURES = {"image_size": 518, "table_size": 518, "patch_size": 14}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {**_PICTURES, "width": 384, "layers": 12, "heads": 6},
    "base": {**_PICTURES, "width": 768, "layers": 12, "heads": 12},
    "large": {**_PICTURES, "width": 1024, "layers": 24, "heads": 16},
    "giant": {**_PICTURES, "width": 1536, "layers": 40, "heads": 24, "ffn": "swiglu"},
}
