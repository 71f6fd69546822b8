"""The sizes of a CLIP vision transformer, and which of its layers is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..vit.config import Activation, ResizedVitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@frozen(kw_only=True)
class ClipConfig(ResizedVitConfig):
    """A ViT with a class token and a norm before its blocks (arXiv:2103.00020); its patches after one of the blocks."""

    layer: int = field(
        default=-2,
        metadata={
            "help": "the block after which the patches are taken: 0 before the first, 1 after the first, -1 after the "
            "last, -2 after the last but one, as LLaVA does; later blocks are not built"
        },
    )
    activation: Activation = field(
        default="quick-gelu",
        metadata={"help": "of the MLPs: quick-gelu in OpenAI's weights, gelu in most of OpenCLIP's"},
    )
    eps: float = field(default=1e-5, metadata={"help": "added to the variance in the layer norms"})
    mean: tuple[float, float, float] = field(
        default=MEAN, converter=tuple, metadata={"help": "subtracted from each colour, of values in [0, 1]"}
    )
    std: tuple[float, float, float] = field(
        default=STD, converter=tuple, metadata={"help": "divides each colour, after the mean is subtracted"}
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not -self.layers - 1 <= self.layer <= self.layers:
            raise ValueError(f"layer {self.layer} is none of {self.layers} layers: {-self.layers - 1} to {self.layers}")

    @property
    def depth(self) -> int:
        """How many blocks come before the features."""
        return self.layer if self.layer >= 0 else self.layers + 1 + self.layer


_BASE = {"image_size": 224, "table_size": 224, "width": 768, "layers": 12, "heads": 12}
_LARGE = {"patch_size": 14, "width": 1024, "layers": 24, "heads": 16}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "base-patch32": {**_BASE, "patch_size": 32},
    "base-patch16": {**_BASE, "patch_size": 16},
    "large-patch14": {**_LARGE, "image_size": 224, "table_size": 224},
    "large-patch14-336": {**_LARGE, "image_size": 336, "table_size": 336},
}
