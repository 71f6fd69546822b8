"""The settings of Bamba, and released sizes. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class BambaConfig:
    """A decoder of recurrent layers with a matrix state per head, and of attention layers, each with a gated MLP."""

    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the hidden states"})
    inner: int = field(default=2048, validator=validators.gt(0), metadata={"help": "inner width of the gated MLPs"})
    layers: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of layers of both kinds"})
    attention: tuple[int, ...] = field(
        default=(5, 11), metadata={"help": "layers with attention, counted from 0; the others are recurrent"}
    )
    heads: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of query heads"})
    kv_heads: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "number of key and value heads, a divisor of heads; 0 means heads"},
    )
    rotary: float = field(
        default=0.5,
        validator=[validators.gt(0), validators.le(1)],
        metadata={"help": "fraction of a query's or key's channels that is rotated"},
    )
    mamba_heads: int = field(
        default=24, validator=validators.gt(0), metadata={"help": "number of heads of a recurrent layer"}
    )
    expand: int = field(
        default=2, validator=validators.gt(0), metadata={"help": "inner width of a recurrent layer, in widths"}
    )
    state: int = field(
        default=64, validator=validators.gt(0), metadata={"help": "width of a head's state, beside the head's own"}
    )
    groups: int = field(
        default=1, validator=validators.gt(0), metadata={"help": "number of groups of heads that share B and C"}
    )
    conv: int = field(
        default=4, validator=validators.gt(1), metadata={"help": "positions that the convolution of a layer covers"}
    )
    conv_bias: bool = field(default=True, metadata={"help": "whether the convolution has a bias"})
    proj_bias: bool = field(default=False, metadata={"help": "whether the projections of a recurrent layer have one"})
    chunk: int = field(
        default=64,
        validator=validators.gt(0),
        metadata={"help": "positions that are computed at once; affects the speed only"},
    )
    vocabulary: int = field(default=32_000, validator=validators.gt(0), metadata={"help": "number of text ids"})
    context: int = field(
        default=4096, validator=validators.gt(0), metadata={"help": "maximum length of a sequence in positions"}
    )
    rope_theta: float = field(
        default=10_000.0,
        validator=validators.gt(0),
        metadata={"help": "base of the rotary positions' wavelengths (arXiv:2104.09864)"},
    )
    eps: float = field(
        default=1e-5, validator=validators.gt(0), metadata={"help": "added to the mean square in the norms"}
    )
    tied: bool = field(
        default=False, metadata={"help": "predict text with the embedding table instead of a separate output matrix"}
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads or not self.rotary_width or self.rotary_width % 2:
            raise ValueError(
                f"width {self.width} with heads {self.heads} and rotary {self.rotary} does not rotate an even number "
                "of channels of each head"
            )
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if self.mamba_width % self.mamba_heads:
            raise ValueError(f"width {self.width} times expand {self.expand} is not a multiple of mamba_heads")
        if self.mamba_heads % self.groups:
            raise ValueError(f"mamba_heads {self.mamba_heads} is not a multiple of groups {self.groups}")
        if len(set(self.attention)) < len(self.attention) or not all(0 <= i < self.layers for i in self.attention):
            raise ValueError(f"attention {self.attention} must be distinct layers from 0 to {self.layers - 1}")

    @property
    def head_width(self) -> int:
        """The width of an attention head."""
        return self.width // self.heads

    @property
    def rotary_width(self) -> int:
        """The channels of an attention head that are rotated."""
        return int(self.head_width * self.rotary)

    @property
    def mamba_width(self) -> int:
        """The inner width of a recurrent layer, that of all its heads."""
        return self.expand * self.width

    @property
    def conv_width(self) -> int:
        """The channels of a recurrent layer's convolution: those of x, B and C."""
        return self.mamba_width + 2 * self.groups * self.state

    def hidden(self) -> Hidden:
        """The port: keys and values of the attention layers per position, states of the others per row."""
        kv_heads, attending = self.kv_heads or self.heads, len(self.attention)
        per_layer = self.mamba_width * self.state + (self.conv - 1) * self.conv_width
        return Hidden(
            width=self.width,
            vocabulary=self.vocabulary,
            context=self.context,
            layers=self.layers,
            kv_heads=kv_heads,
            head_width=self.head_width,
            cached=2 * attending * kv_heads * self.head_width,
            state=(self.layers - attending) * per_layer,
            full_blocks=False,
        )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "9b": {
        "width": 4096,
        "inner": 14_336,
        "layers": 32,
        "attention": (9, 18, 27),
        "heads": 32,
        "kv_heads": 8,
        "mamba_heads": 128,
        "state": 128,
        "vocabulary": 128_256,
        "context": 4096,
    },
}
