"""The sizes of a SigLIP vision transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..vit.config import VitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class SiglipConfig(VitConfig):
    """A ViT (arXiv:2010.11929) with learned positions and a final norm, without a class token."""

    attention_pool: bool = field(
        default=False,
        metadata={"help": "also build the attention-pooling head (one vector a picture), which Janus does not use"},
    )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "large-patch16-384": {"image_size": 384, "patch_size": 16, "width": 1024, "layers": 24, "heads": 16, "inner": 4096},
}
