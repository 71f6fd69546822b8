"""The sizes of a Llama language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class LlamaConfig:
    """A decoder with RMSNorm, rotary positions, SwiGLU and grouped-query attention."""

    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the hidden states"})
    inner: int = field(default=2048, validator=validators.gt(0), metadata={"help": "inner width of the SwiGLU MLPs"})
    layers: int = field(default=12, validator=validators.gt(0), metadata={"help": "number of transformer blocks"})
    heads: int = field(
        default=12,
        validator=validators.gt(0),
        metadata={"help": "query heads in a block; they divide the width into heads of even width"},
    )
    kv_heads: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "key and value heads, which divide the query heads (arXiv:2305.13245); 0 is the same"},
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
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not divide into heads {self.heads} of an even width")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def hidden(self) -> Hidden:
        return Hidden(
            width=self.width,
            vocabulary=self.vocabulary,
            context=self.context,
            layers=self.layers,
            kv_heads=self.kv_heads or self.heads,
            head_width=self.head_width,
        )


_DEEPSEEK = {"vocabulary": 102_400, "context": 16_384, "rope_theta": 10_000.0, "eps": 1e-6}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "deepseek-llm-1.5b": {"width": 2048, "inner": 5632, "layers": 24, "heads": 16, **_DEEPSEEK},
    "deepseek-llm-7b": {"width": 4096, "inner": 11_008, "layers": 30, "heads": 32, **_DEEPSEEK},
}
