"""Chameleon (arXiv:2405.09818): Llama's architecture with LayerNorm on queries and keys; released sizes.

The text and the codes of pictures are ids of one vocabulary: 4 to 8195 are codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from .decoder.config import DecoderConfig, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class ChameleonConfig(DecoderConfig):
    """A decoder like Llama, which normalises each head of its queries and keys with a weight and a bias of its own."""

    variant: ClassVar[Variant] = Variant(head_norm="layer")
    model_types: ClassVar[tuple[str, ...]] = ("chameleon",)

    swin_norm: bool = field(
        default=False,
        metadata={"help": "normalise the outputs of attention and MLP instead of their inputs, as in Chameleon 34B"},
    )


_ALL = {"vocabulary": 65_536, "context": 4096, "rope_theta": 10_000.0, "eps": 1e-5}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "7b": {"width": 4096, "inner": 11_008, "layers": 32, "heads": 32, **_ALL},
    "34b": {"width": 8192, "inner": 22_016, "layers": 48, "heads": 64, "kv_heads": 8, "swin_norm": True, **_ALL},
}
