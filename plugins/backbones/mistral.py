"""Mistral language models with full causal attention: Llama's architecture; released sizes.

Masks cannot express the sliding window of version 0.1, so that version is not offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from .decoder.config import DecoderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class MistralConfig(DecoderConfig):
    """A decoder like Llama."""

    model_types: ClassVar[tuple[str, ...]] = ("mistral", "llama")


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "7b-v0.3": {
        "width": 4096,
        "inner": 14_336,
        "layers": 32,
        "heads": 32,
        "kv_heads": 8,
        "vocabulary": 32_768,
        "context": 32_768,
        "rope_theta": 1_000_000.0,
        "eps": 1e-5,
    },
}
