"""The first Gemma: Llama's architecture with another scale of embeddings, norm and activation; released sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from .decoder.config import DecoderConfig, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class GemmaConfig(DecoderConfig):
    """A decoder like Llama, with scaled text embeddings, norm weights that are offset by 1, and GELU in its MLPs."""

    variant: ClassVar[Variant] = Variant(offset_norm=True, scaled_embeddings=True, activation="gelu-tanh")
    model_types: ClassVar[tuple[str, ...]] = ("gemma",)


_ALL = {
    "head_width": 256,
    "vocabulary": 256_000,
    "context": 8192,
    "rope_theta": 10_000.0,
    "eps": 1e-6,
    "tied": True,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "2b": {"width": 2048, "inner": 16_384, "layers": 18, "heads": 8, "kv_heads": 1, **_ALL},
    "7b": {"width": 3072, "inner": 24_576, "layers": 28, "heads": 16, **_ALL},
}
