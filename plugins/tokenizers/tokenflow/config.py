"""The settings and released sizes of the tokenizer ``tokenflow``. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve, field, frozen, validators
from janiform import Codes, Grid

from ...encoders.config import ClipConfig, SiglipConfig
from ..config import CODEBOOK_HELP, COMMITMENT_HELP, ConvolutionalConfig
from ..levels import LevelSize, decoder_levels, encoder_levels
from ..scales_vq.config import check_scales

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import CropToSquare


@frozen(kw_only=True)
class TokenflowConfig(ConvolutionalConfig):
    """A teacher's features and a VQGAN's latents, quantised together: a code has a vector for each.

    ``image_size`` is that of the VQGAN, whose grid is the last of the scales.
    """

    picture_size: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "side of the pictures that are encoded and decoded, in pixels, which are resized to image_size and "
            "back; 0 means image_size"
        },
    )
    scales: tuple[int, ...] = field(
        default=(1, 2, 4, 6, 8, 10, 12, 14, 16),
        converter=tuple,
        validator=[validators.min_len(1), validators.deep_iterable(validators.gt(0))],
        metadata={"help": "sides of the scales in codes, from coarse to fine; the last is that of the whole grid"},
    )
    vocabulary: int = field(default=32_768, validator=validators.gt(1), metadata={"help": "number of codes"})
    semantic_width: int = field(
        default=32, validator=validators.gt(0), metadata={"help": "width of a code's vector for the meaning"}
    )
    pixel_width: int = field(
        default=8, validator=validators.gt(0), metadata={"help": "width of a code's vector for the pixels"}
    )
    pixel_weight: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the distance of the pixels beside that of the meaning, in the choice of a code"},
    )
    teacher: Literal["clip", "siglip"] = field(
        default="clip",
        metadata={"help": "encoder whose features are quantised: the last of clip, or the last but one of siglip"},
    )
    teacher_size: int = field(
        default=224,
        validator=validators.gt(0),
        metadata={"help": "side of the pictures that the teacher sees, in pixels"},
    )
    teacher_patch: int = field(
        default=16, validator=validators.gt(0), metadata={"help": "side of the teacher's patches in pixels"}
    )
    teacher_width: int = field(
        default=768, validator=validators.gt(0), metadata={"help": "width of the teacher's features"}
    )
    teacher_layers: int = field(
        default=12, validator=validators.ge(1), metadata={"help": "number of the teacher's blocks"}
    )
    teacher_heads: int = field(
        default=12, validator=validators.gt(0), metadata={"help": "number of the teacher's attention heads per block"}
    )
    teacher_inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "inner width of the teacher's MLPs; 0 means four times the width"},
    )
    projection: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "width of the features that the semantic decoder gives, to which the teacher's are projected, as "
            "CLIP's are; 0 means those of the teacher as they are"
        },
    )
    semantic_layers: int = field(
        default=3, validator=validators.ge(0), metadata={"help": "number of the semantic decoder's blocks"}
    )
    decoder_channels: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "base width of the decoder's convolutions, 256 in the enhanced one; 0 means channels"},
    )
    decoder_blocks: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "number of residual blocks per level of the decoder, 4 in the enhanced one; 0 means one more than "
            "the encoder has"
        },
    )
    codebook: float = field(default=1.0, validator=validators.ge(0), metadata=CODEBOOK_HELP)
    commitment: float = field(default=1.0, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    semantic: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the cosine distance between the decoded features and the teacher's"},
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_scales(self.scales, self.grid.width)
        self.teacher_config  # noqa: B018 - evaluated for what it raises
        if self.local:
            raise ValueError("local codes have no teacher that sees a square of pixels alone: set local to false")
        if self.decoder_channels % self.groups:
            raise ValueError(f"decoder_channels {self.decoder_channels} is not a multiple of groups {self.groups}")

    @property
    def teacher_config(self) -> ClipConfig | SiglipConfig:
        """The settings of the teacher. Raises ``ValueError`` for those that an encoder cannot have."""
        config = ClipConfig if self.teacher == "clip" else SiglipConfig
        sizes = config(
            image_size=self.teacher_size,
            patch_size=self.teacher_patch,
            width=self.teacher_width,
            layers=self.teacher_layers,
            heads=self.teacher_heads,
            inner=self.teacher_inner,
            cut_edges=True,
        )
        if isinstance(sizes, ClipConfig):
            return evolve(sizes, layer=-1)
        return evolve(sizes, layers=self.teacher_layers - 1, activation="gelu-tanh")

    @property
    def width(self) -> int:
        """Width of a code's vector: its part for the meaning comes first."""
        return self.semantic_width + self.pixel_width

    @property
    def decoder_levels(self) -> tuple[LevelSize, ...]:
        attended = (len(self.multipliers) - 1,) if self.attention else ()
        blocks = self.decoder_blocks - 1 if self.decoder_blocks else self.blocks
        levels = encoder_levels(self.decoder_channels or self.channels, self.multipliers, blocks, attended)
        return decoder_levels(levels)

    def codes(self) -> Codes:
        scales = tuple(Grid(side, side) for side in self.scales)
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.width, scales=scales)

    def transform(self) -> CropToSquare:
        from janiform import CropToSquare  # needs numpy and PIL, which registration does not import

        return CropToSquare(self.picture_size or self.image_size)


_VQGAN = {
    "channels": 128,
    "multipliers": [1, 1, 2, 2, 4],
    "blocks": 2,
    "latent": 256,
    "attention": True,
    "groups": 32,
    "vocabulary": 32_768,
    "semantic_width": 32,
    "pixel_width": 8,
    "semantic_layers": 3,
}

_CLIP_B = {
    **_VQGAN,
    "teacher": "clip",
    "teacher_size": 224,
    "teacher_patch": 16,
    "teacher_width": 768,
    "teacher_layers": 12,
    "teacher_heads": 12,
    "projection": 512,
}

TOKENFLOW_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "clipb-224": {**_CLIP_B, "image_size": 224, "scales": [1, 2, 4, 6, 8, 10, 12, 14]},
    "clipb-256": {**_CLIP_B, "image_size": 256, "scales": [1, 2, 4, 6, 8, 10, 12, 14, 16]},
    "siglip-384": {
        **_VQGAN,
        "image_size": 432,
        "picture_size": 384,
        "scales": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 22, 27],
        "teacher": "siglip",
        "teacher_size": 384,
        "teacher_patch": 14,
        "teacher_width": 1152,
        "teacher_layers": 27,
        "teacher_heads": 16,
        "teacher_inner": 4304,
    },
}
