"""The sizes of a SigLIP vision transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from ..vit.config import VitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class SiglipConfig(VitConfig):
    """A ViT (arXiv:2010.11929) with learned positions and a final norm, without a class token."""

    activation: Literal["gelu", "gelu-tanh"] = field(
        default="gelu",
        metadata={"help": "of the MLPs: gelu in Janus, gelu-tanh, its approximation, in the released SigLIPs"},
    )
    positions: Literal["random", "waves"] = field(
        default="random",
        metadata={
            "help": "what the table of positions learns from: small random numbers, or sines and cosines of row and "
            "column, which tell patches apart from the first step and so want less training"
        },
    )
    attention_pool: bool = field(
        default=False,
        metadata={"help": "also build the attention-pooling head (one vector a picture), which Janus does not use"},
    )


_BASE = {"patch_size": 16, "width": 768, "layers": 12, "heads": 12, "activation": "gelu-tanh"}
_LARGE = {"patch_size": 16, "width": 1024, "layers": 24, "heads": 16, "activation": "gelu-tanh"}
_SO400M = {"width": 1152, "layers": 27, "heads": 16, "inner": 4304, "activation": "gelu-tanh"}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "large-patch16-384": {"image_size": 384, "patch_size": 16, "width": 1024, "layers": 24, "heads": 16, "inner": 4096},
    "siglip2-base-patch16-256": {**_BASE, "image_size": 256},
    "siglip2-large-patch16-256": {**_LARGE, "image_size": 256},
    "siglip2-large-patch16-384": {**_LARGE, "image_size": 384},
    "siglip2-so400m-patch14-384": {**_SO400M, "patch_size": 14, "image_size": 384, "cut_edges": True},
    "siglip2-so400m-patch16-384": {**_SO400M, "patch_size": 16, "image_size": 384},
}
