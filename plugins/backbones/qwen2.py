"""Qwen2 and Qwen2.5: Llama's architecture with biases on queries, keys and values; released sizes.

With ``head_norm`` it is the language model of BAGEL (arXiv:2505.14683).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import field, frozen

from .decoder.config import DecoderConfig, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class Qwen2Config(DecoderConfig):
    """A decoder like Llama, whose queries, keys and values have biases."""

    variant: ClassVar[Variant] = Variant(qkv_bias=True)
    model_types: ClassVar[tuple[str, ...]] = ("qwen2",)

    head_norm: bool = field(
        default=False,
        metadata={"help": "normalise each head of the queries and keys before its rotation, as in BAGEL"},
    )

    @property
    def head_norms(self) -> Literal["none", "rms", "layer"]:
        return "rms" if self.head_norm else "none"


_ALL = {"vocabulary": 151_936, "context": 32_768, "rope_theta": 1_000_000.0, "eps": 1e-6}
"""The context is that of pretraining; some releases allow longer ones."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "0.5b": {**_ALL, "width": 896, "inner": 4864, "layers": 24, "heads": 14, "kv_heads": 2, "tied": True},
    "1.5b": {**_ALL, "width": 1536, "inner": 8960, "layers": 28, "heads": 12, "kv_heads": 2, "tied": True},
    "3b": {**_ALL, "width": 2048, "inner": 11_008, "layers": 36, "heads": 16, "kv_heads": 2, "tied": True},
    "7b": {**_ALL, "width": 3584, "inner": 18_944, "layers": 28, "heads": 28, "kv_heads": 4, "vocabulary": 152_064},
}
