"""The settings of Phi-1.5 (arXiv:2309.05463) and Phi-2, and their released sizes. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class PhiConfig:
    """A decoder with LayerNorm and biases, whose attention and MLP of a layer read the same states; partly rotary."""

    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the hidden states"})
    inner: int = field(default=3072, validator=validators.gt(0), metadata={"help": "inner width of the MLPs"})
    layers: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of transformer blocks"})
    heads: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of query heads per block"})
    kv_heads: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "number of key and value heads, a divisor of heads; 0 means heads"},
    )
    vocabulary: int = field(default=51_200, validator=validators.gt(0), metadata={"help": "number of text ids"})
    context: int = field(
        default=2048, validator=validators.gt(0), metadata={"help": "maximum length of a sequence in positions"}
    )
    rope_theta: float = field(
        default=10_000.0,
        validator=validators.gt(0),
        metadata={"help": "base of the rotary positions' wavelengths (arXiv:2104.09864)"},
    )
    rotary: float = field(
        default=0.5,
        validator=[validators.gt(0), validators.le(1)],
        metadata={"help": "share of a head's channels that are rotated: 0.5 in Phi-1.5, 0.4 in Phi-2"},
    )
    eps: float = field(
        default=1e-5, validator=validators.gt(0), metadata={"help": "added to the variance in the norms"}
    )
    dropout: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata={"help": "dropout probability of each residual update during training"},
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into heads {self.heads}")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if not self.rotary_width or self.rotary_width % 2:
            raise ValueError(
                f"rotary {self.rotary} of {self.width // self.heads} channels per head are {self.rotary_width}; "
                "expected an even number above 0"
            )

    @property
    def rotary_width(self) -> int:
        """The channels of a head that are rotated."""
        return int(self.width // self.heads * self.rotary)

    def hidden(self) -> Hidden:
        """The port of the decoder."""
        return Hidden(
            width=self.width,
            vocabulary=self.vocabulary,
            context=self.context,
            layers=self.layers,
            kv_heads=self.kv_heads or self.heads,
            head_width=self.width // self.heads,
        )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "1.5": {"width": 2048, "inner": 8192, "layers": 24, "heads": 32, "vocabulary": 51_200, "context": 2048},
    "2": {
        "width": 2560,
        "inner": 10_240,
        "layers": 32,
        "heads": 32,
        "vocabulary": 51_200,
        "context": 2048,
        "rotary": 0.4,
    },
}
