"""The sizes of a decoder."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Hidden


@frozen(kw_only=True)
class DecoderConfig:
    """A decoder with RMSNorm, rotary positions, gated MLPs and grouped-query attention."""

    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the hidden states"})
    inner: int = field(default=2048, validator=validators.gt(0), metadata={"help": "inner width of the gated MLPs"})
    layers: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of transformer blocks"})
    heads: int = field(default=12, validator=validators.gt(0), metadata={"help": "query heads in a block"})
    kv_heads: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "key and value heads, which divide the query heads (arXiv:2305.13245); 0 is the same"},
    )
    head_width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "even width of a head; 0 is that of heads that divide the width"},
    )
    vocabulary: int = field(
        default=32_000,
        validator=validators.gt(0),
        metadata={"help": "number of text ids"},
    )
    context: int = field(default=4096, validator=validators.gt(0), metadata={"help": "most positions of a sequence"})
    rope_theta: float = field(
        default=10_000.0,
        validator=validators.gt(0),
        metadata={"help": "base of the rotary positions' wavelengths (arXiv:2104.09864)"},
    )
    eps: float = field(
        default=1e-6, validator=validators.gt(0), metadata={"help": "added to the mean square in the norms"}
    )
    tied: bool = field(
        default=False, metadata={"help": "predict text with the embedding table itself, instead of a head of its own"}
    )
    dropout: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata={"help": "share of what each block adds that is dropped while training"},
    )

    def __attrs_post_init__(self) -> None:
        if self.head_width % 2:
            raise ValueError(f"head_width {self.head_width} is not even")
        if not self.head_width and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not divide into heads {self.heads} of an even width")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")

    def hidden(self) -> Hidden:
        """What the decoder reads and gives; here the widths and numbers of heads are never 0."""
        return Hidden(
            width=self.width,
            vocabulary=self.vocabulary,
            context=self.context,
            layers=self.layers,
            kv_heads=self.kv_heads or self.heads,
            head_width=self.head_width or self.width // self.heads,
        )
