"""The released sizes of Mistral language models that see all of what came before.

Masks cannot express the sliding window of version 0.1, so that it is not offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from ..decoder.config import DecoderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class MistralConfig(DecoderConfig):
    """A decoder like Llama."""


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
