"""The released sizes of Llama language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from ..decoder.config import DecoderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class LlamaConfig(DecoderConfig):
    """A decoder with RMSNorm, rotary positions, SwiGLU and grouped-query attention."""


_DEEPSEEK = {"vocabulary": 102_400, "context": 16_384, "rope_theta": 10_000.0, "eps": 1e-6}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "deepseek-llm-1.5b": {"width": 2048, "inner": 5632, "layers": 24, "heads": 16, **_DEEPSEEK},
    "deepseek-llm-7b": {"width": 4096, "inner": 11_008, "layers": 30, "heads": 32, **_DEEPSEEK},
}
