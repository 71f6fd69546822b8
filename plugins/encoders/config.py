"""The settings and released sizes of the encoders. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators
from janiform import Features, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import PadToSquare

Activation = Literal["gelu", "gelu-tanh", "quick-gelu"]

HALF = (0.5, 0.5, 0.5)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEAN_HELP = {"help": "subtracted from each colour channel of values in [0, 1]"}
STD_HELP = {"help": "divides each colour channel after the mean is subtracted"}


@frozen(kw_only=True)
class PatchGridConfig:
    """Square pictures cut into square patches, each a token of ``width``."""

    image_size: int = field(
        default=224,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of patch_size unless cut_edges is set"},
    )
    patch_size: int = field(
        default=16, validator=validators.gt(0), metadata={"help": "side of a square patch in pixels; one token each"}
    )
    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the features"})
    mean: tuple[float, float, float] = field(
        default=HALF,
        converter=tuple,
        validator=validators.deep_iterable([validators.ge(0), validators.le(1)]),
        metadata=MEAN_HELP,
    )
    std: tuple[float, float, float] = field(
        default=HALF,
        converter=tuple,
        validator=validators.deep_iterable([validators.ge(1e-6), validators.le(1e6)]),
        metadata=STD_HELP,
    )
    min_size: int = field(
        default=14,
        validator=validators.gt(0),
        metadata={"help": "minimum side in pixels to which a long picture is scaled down before it is padded"},
    )

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.patch_size
        return Grid(side, side)

    def features(self) -> Features:
        return Features(tokens=self.grid.size, width=self.width, grid=self.grid)

    def transform(self) -> PadToSquare:
        from janiform import PadToSquare  # needs numpy and PIL, which registration does not import

        return PadToSquare(self.image_size, mean=self.mean, std=self.std, min_size=self.min_size)


@frozen(kw_only=True)
class VitConfig(PatchGridConfig):
    """A vision transformer (arXiv:2010.11929): blocks of attention and MLP over the patches of a picture."""

    layers: int = field(default=12, validator=validators.ge(0), metadata={"help": "number of transformer blocks"})
    heads: int = field(
        default=12,
        validator=validators.gt(0),
        metadata={"help": "number of attention heads per block; they divide the width"},
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "inner width of the MLPs; 0 means four times the width"},
    )
    eps: float = field(
        default=1e-6, validator=validators.gt(0), metadata={"help": "added to the variance in the layer norms"}
    )
    cut_edges: bool = field(
        default=False,
        metadata={"help": "drop the pixels at the right and lower edges that do not fill a patch"},
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
    """A ViT with a class token, whose table of positions may be for pictures of another size."""

    table_size: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "side in pixels of the pictures that the released table of positions is for; positions are "
            "interpolated where image_size differs; 0 means image_size"
        },
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_multiple("table_size", self.table_size, "patch_size", self.patch_size)

    @property
    def table_rows(self) -> int:
        """The number of rows in the table of positions: the class token's, then one per patch."""
        return 1 + ((self.table_size or self.image_size) // self.patch_size) ** 2


@frozen(kw_only=True)
class SiglipConfig(VitConfig):
    """A ViT with learned positions and a final norm, without a class token, as in SigLIP (arXiv:2303.15343)."""

    activation: Literal["gelu", "gelu-tanh"] = field(
        default="gelu",
        metadata={"help": "activation of the MLPs: gelu in Janus; gelu-tanh, its approximation, in released SigLIPs"},
    )
    positions: Literal["random", "waves"] = field(
        default="random",
        metadata={
            "help": "initial values of the table of positions: random, or waves, sines and cosines of row and column, "
            "which tell patches apart from the first step and need less training"
        },
    )
    attention_pool: bool = field(
        default=False,
        metadata={"help": "also build the attention-pooling head (one vector per picture), which Janus does not use"},
    )
    table_size: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "side in pixels of the pictures that the table of positions is for; smaller pictures take its "
            "upper left part, as in BAGEL; 0 means image_size"
        },
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.table_size and self.table_size < self.image_size:
            raise ValueError(f"table_size {self.table_size} is smaller than image_size {self.image_size}")

    @property
    def table(self) -> Grid:
        """Rows and columns of the table of positions."""
        side = (self.table_size or self.image_size) // self.patch_size
        return Grid(side, side)


@frozen(kw_only=True)
class ClipConfig(ResizedVitConfig):
    """A ViT with a class token and a norm before its blocks, as in CLIP (arXiv:2103.00020); patches after one block."""

    layer: int = field(
        default=-2,
        metadata={
            "help": "block after which the patches are taken: 0 before the first, 1 after the first, -1 after the "
            "last, -2 after the last but one, as in LLaVA; later blocks are not built"
        },
    )
    activation: Activation = field(
        default="quick-gelu",
        metadata={"help": "activation of the MLPs: quick-gelu in OpenAI's weights, gelu in most of OpenCLIP's"},
    )
    eps: float = field(default=1e-5, metadata={"help": "added to the variance in the layer norms"})
    mean: tuple[float, float, float] = field(default=CLIP_MEAN, converter=tuple, metadata=MEAN_HELP)
    std: tuple[float, float, float] = field(default=CLIP_STD, converter=tuple, metadata=STD_HELP)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not -self.layers - 1 <= self.layer <= self.layers:
            raise ValueError(
                f"layer {self.layer} is outside of {-self.layers - 1} to {self.layers}, the range for {self.layers} "
                "layers"
            )

    @property
    def depth(self) -> int:
        """The number of blocks before the features."""
        return self.layer if self.layer >= 0 else self.layers + 1 + self.layer


@frozen(kw_only=True)
class Dinov2Config(ResizedVitConfig):
    """A ViT with a class token, scaled blocks and a final norm (arXiv:2304.07193), and registers (arXiv:2309.16588)."""

    registers: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "number of learned register tokens, which are not features: 4 in the weights with registers; "
            "above 0, positions are interpolated with antialiasing"
        },
    )
    ffn: Literal["mlp", "swiglu"] = field(
        default="mlp", metadata={"help": "feed-forward layer of a block: mlp with GELU, or swiglu as in giant"}
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "inner width of the feed-forward layers; 0 means four times the width for mlp, and two thirds of "
            "that, rounded up to a multiple of 8, for swiglu"
        },
    )
    layer_scale: float = field(
        default=1e-5,
        validator=validators.gt(0),
        metadata={"help": "initial value of the learned scales of the residual updates"},
    )
    mean: tuple[float, float, float] = field(default=IMAGENET_MEAN, converter=tuple, metadata=MEAN_HELP)
    std: tuple[float, float, float] = field(default=IMAGENET_STD, converter=tuple, metadata=STD_HELP)

    @property
    def inner_width(self) -> int:
        if self.inner or self.ffn == "mlp":
            return super().inner_width
        return -(-(8 * self.width // 3) // 8) * 8


@frozen(kw_only=True)
class PatchesConfig(PatchGridConfig):
    """One linear map of each patch's pixels, as in Fuyu-8B; the language model learns to see."""

    image_size: int = field(
        default=480,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of patch_size"},
    )
    patch_size: int = field(
        default=30, validator=validators.gt(0), metadata={"help": "side of a square patch in pixels; one token each"}
    )
    width: int = field(default=1024, validator=validators.gt(0), metadata={"help": "width of the features"})
    positions: bool = field(
        default=False,
        metadata={"help": "add a learned vector per row and one per column; Fuyu has none"},
    )

    def __attrs_post_init__(self) -> None:
        check_multiple("image_size", self.image_size, "patch_size", self.patch_size)


def check_multiple(name: str, value: int, divisor_name: str, divisor: int) -> None:
    """Raise ``ValueError`` where a setting is not a multiple of another."""
    if value % divisor:
        raise ValueError(f"{name} {value} is not a multiple of {divisor_name} {divisor}")


_SIGLIP2_BASE = {"patch_size": 16, "width": 768, "layers": 12, "heads": 12, "activation": "gelu-tanh"}
_SIGLIP2_LARGE = {"patch_size": 16, "width": 1024, "layers": 24, "heads": 16, "activation": "gelu-tanh"}
_SIGLIP2_SO400M = {"width": 1152, "layers": 27, "heads": 16, "inner": 4304, "activation": "gelu-tanh"}

SIGLIP_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "large-patch16-384": {"image_size": 384, "patch_size": 16, "width": 1024, "layers": 24, "heads": 16, "inner": 4096},
    "so400m-patch14-980": {**_SIGLIP2_SO400M, "patch_size": 14, "image_size": 980, "table_size": 980},
    "siglip2-base-patch16-256": {**_SIGLIP2_BASE, "image_size": 256},
    "siglip2-large-patch16-256": {**_SIGLIP2_LARGE, "image_size": 256},
    "siglip2-large-patch16-384": {**_SIGLIP2_LARGE, "image_size": 384},
    "siglip2-so400m-patch14-384": {**_SIGLIP2_SO400M, "patch_size": 14, "image_size": 384, "cut_edges": True},
    "siglip2-so400m-patch16-384": {**_SIGLIP2_SO400M, "patch_size": 16, "image_size": 384},
}

_CLIP_BASE = {"image_size": 224, "table_size": 224, "width": 768, "layers": 12, "heads": 12}
_CLIP_LARGE = {"patch_size": 14, "width": 1024, "layers": 24, "heads": 16}

CLIP_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "base-patch32": {**_CLIP_BASE, "patch_size": 32},
    "base-patch16": {**_CLIP_BASE, "patch_size": 16},
    "large-patch14": {**_CLIP_LARGE, "image_size": 224, "table_size": 224},
    "large-patch14-336": {**_CLIP_LARGE, "image_size": 336, "table_size": 336},
}

_DINOV2 = {"image_size": 518, "table_size": 518, "patch_size": 14}

DINOV2_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {**_DINOV2, "width": 384, "layers": 12, "heads": 6},
    "base": {**_DINOV2, "width": 768, "layers": 12, "heads": 12},
    "large": {**_DINOV2, "width": 1024, "layers": 24, "heads": 16},
    "giant": {**_DINOV2, "width": 1536, "layers": 40, "heads": 24, "ffn": "swiglu"},
}
