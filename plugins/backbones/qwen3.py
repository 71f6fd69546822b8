"""Dense Qwen3: Llama's architecture with a norm on each head of the queries and keys; released sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from .decoder.config import DecoderConfig, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class Qwen3Config(DecoderConfig):
    """A decoder like Llama, which normalises each head of its queries and keys."""

    variant: ClassVar[Variant] = Variant(head_norm="rms")
    model_types: ClassVar[tuple[str, ...]] = ("qwen3",)


_ALL = {
    "kv_heads": 8,
    "head_width": 128,
    "vocabulary": 151_936,
    "context": 40_960,
    "rope_theta": 1_000_000.0,
    "eps": 1e-6,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "0.6b": {**_ALL, "width": 1024, "inner": 3072, "layers": 28, "heads": 16, "tied": True},
    "1.7b": {**_ALL, "width": 2048, "inner": 6144, "layers": 28, "heads": 16, "tied": True},
    "4b": {**_ALL, "width": 2560, "inner": 9728, "layers": 36, "heads": 32, "tied": True},
    "8b": {**_ALL, "width": 4096, "inner": 12_288, "layers": 36, "heads": 32},
}
