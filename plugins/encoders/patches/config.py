"""The sizes of the patches that a language model sees as they are."""

from __future__ import annotations

from attrs import field, frozen, validators

from ..vit.config import PatchesOfPictures, check_multiple


@frozen(kw_only=True)
class PatchesConfig(PatchesOfPictures):
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

    def __attrs_post_init__(self) -> None:
        check_multiple("image_size", self.image_size, "patch_size", self.patch_size)
