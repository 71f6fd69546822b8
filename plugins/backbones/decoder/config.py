"""The settings of a decoder, and what sets a family of decoders apart. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import field, frozen, validators
from janiform import Hidden


def route_names(config: object, attribute: object, value: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless the names of routes are distinct identifiers that are no part of a block."""
    taken = ("attention", "attention_norm", "mlp", "mlp_norm", "norm", "layers", "embed_tokens", "lm_head")
    for name in value:
        if not name.isidentifier() or name in taken or value.count(name) > 1:
            raise ValueError(f"'{name}' cannot be a route: expected distinct names of letters, digits and underscores")


@frozen
class Variant:
    """What sets a family of decoders apart; the defaults are Llama's."""

    qkv_bias: bool = False
    """Whether the projections to queries, keys and values have a bias."""
    head_norm: Literal["none", "rms", "layer"] = "none"
    """How each head of the queries and keys is normalised before its rotation (arXiv:2302.05442): by RMSNorm with one
    weight for all heads, or by LayerNorm with a weight and a bias for each head.
    """
    offset_norm: bool = False
    """Whether RMSNorm scales by 1 + weight instead of by weight."""
    scaled_embeddings: bool = False
    """Whether text embeddings are scaled by the square root of the width; what adapters give is not scaled."""
    activation: Literal["silu", "gelu-tanh"] = "silu"
    """The activation of the MLP's gate."""


@frozen
class Stretch:
    """How long rotary wavelengths are stretched: the "llama3" rope type (arXiv:2407.21783)."""

    factor: float
    low: float
    high: float
    context: int


@frozen(kw_only=True)
class DecoderConfig:
    """A decoder with RMSNorm, rotary positions, gated MLPs and grouped-query attention."""

    variant: ClassVar[Variant] = Variant()
    model_types: ClassVar[tuple[str, ...]] = ()
    """The types of transformers' models that this decoder computes, the family's own first."""

    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the hidden states"})
    inner: int = field(default=2048, validator=validators.gt(0), metadata={"help": "inner width of the gated MLPs"})
    layers: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of transformer blocks"})
    heads: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of query heads per block"})
    kv_heads: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "number of key and value heads, a divisor of heads (arXiv:2305.13245); 0 means heads"},
    )
    head_width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of a head, an even number; 0 means width / heads"},
    )
    vocabulary: int = field(
        default=32_000,
        validator=validators.gt(0),
        metadata={"help": "number of text ids"},
    )
    context: int = field(
        default=4096, validator=validators.gt(0), metadata={"help": "maximum length of a sequence in positions"}
    )
    rope_theta: float = field(
        default=10_000.0,
        validator=validators.gt(0),
        metadata={"help": "base of the rotary positions' wavelengths (arXiv:2104.09864)"},
    )
    eps: float = field(
        default=1e-6, validator=validators.gt(0), metadata={"help": "added to the mean square in the norms"}
    )
    tied: bool = field(
        default=False, metadata={"help": "predict text with the embedding table instead of a separate output matrix"}
    )
    routes: tuple[str, ...] = field(
        default=(),
        validator=route_names,
        metadata={"help": "names of further sets of weights of all layers, which pathways choose by their key route"},
    )
    dropout: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata={"help": "dropout probability of each residual update during training"},
    )

    def __attrs_post_init__(self) -> None:
        if self.head_width % 2:
            raise ValueError(f"head_width {self.head_width} is not even")
        if not self.head_width and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not divide into heads {self.heads} of an even width")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")

    @property
    def stretch(self) -> Stretch | None:
        """The stretching of long rotary wavelengths, where the family has it."""
        return None

    @property
    def head_norms(self) -> Literal["none", "rms", "layer"]:
        """How each head of the queries and keys is normalised; see ``Variant.head_norm``."""
        return self.variant.head_norm

    @property
    def swin_norm(self) -> bool:
        """Whether attention and MLP are normalised after them, before the residual sum, instead of before them."""
        return False

    def hidden(self) -> Hidden:
        """The port of the decoder, with the widths and numbers of heads that a 0 stands for."""
        return Hidden(
            width=self.width,
            vocabulary=self.vocabulary,
            context=self.context,
            layers=self.layers,
            kv_heads=self.kv_heads or self.heads,
            head_width=self.head_width or self.width // self.heads,
            routes=self.routes,
        )
