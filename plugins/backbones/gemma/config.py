"""The released sizes of the first Gemma language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from ..decoder.config import DecoderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class GemmaConfig(DecoderConfig):
    """A decoder like Llama, with scaled text embeddings, weights of norms that count from 1, and GELU in its MLPs."""


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
