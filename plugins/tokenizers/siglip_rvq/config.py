"""The settings of residual codes of SigLIP's features. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators

from ...encoders.config import SiglipConfig
from ..config import RvqConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class SiglipRvqConfig(RvqConfig):
    """SigLIP's vision transformer, residual quantisation, and a VQGAN's decoder, as in VILA-U (arXiv:2409.04429).

    A patch is as large as the square of pixels that the decoder makes of a code: 2^(levels - 1) pixels.
    """

    width: int = field(default=1024, validator=validators.gt(0), metadata={"help": "width of the features"})
    layers: int = field(
        default=24, validator=validators.ge(0), metadata={"help": "number of blocks of the vision transformer"}
    )
    heads: int = field(
        default=16,
        validator=validators.gt(0),
        metadata={"help": "number of attention heads per block; they divide the width"},
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "inner width of the vision transformer's MLPs; 0 means four times the width"},
    )
    eps: float = field(
        default=1e-6, validator=validators.gt(0), metadata={"help": "added to the variance in the layer norms"}
    )
    activation: Literal["gelu", "gelu-tanh"] = field(
        default="gelu-tanh", metadata={"help": "activation of the MLPs: gelu-tanh in released SigLIPs"}
    )
    positions: Literal["random", "waves"] = field(
        default="random",
        metadata={"help": "initial values of the table of positions: random, or waves of row and column"},
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.local:
            raise ValueError(
                "local encodes each square of pixels alone, but a vision transformer sees the whole picture"
            )
        self.eyes()  # raises where the heads do not divide the width

    @property
    def patch_size(self) -> int:
        """Pixels along the side of a patch."""
        return self.factor

    def eyes(self) -> SiglipConfig:
        """The settings of the vision transformer."""
        return SiglipConfig(
            image_size=self.image_size,
            patch_size=self.patch_size,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            inner=self.inner,
            eps=self.eps,
            activation=self.activation,
            positions=self.positions,
        )


SIGLIP_RVQ_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "vila-u-256": {
        "image_size": 256,
        "width": 1024,
        "layers": 24,
        "heads": 16,
        "inner": 4096,
        "channels": 128,
        "multipliers": [1, 1, 2, 2, 4],
        "blocks": 2,
        "latent": 256,
        "vocabulary": 16_384,
        "depth": 4,
        "code_width": 256,
        "shared": True,
        "attention": True,
        "groups": 32,
    },
}
"""The codes of VILA-U for pictures of 256×256, on the features of SigLIP-large-patch16-256."""
