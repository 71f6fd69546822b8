"""Llama (arXiv:2302.13971), and DeepSeek LLM and Emu3 (arXiv:2409.18869), which have its architecture; sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen, validators

from .decoder.config import DecoderConfig, Stretch

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class LlamaConfig(DecoderConfig):
    """A decoder with RMSNorm, rotary positions, SwiGLU and grouped-query attention."""

    model_types: ClassVar[tuple[str, ...]] = ("llama", "mistral", "emu3_text_model", "Emu3")

    rope_factor: float = field(
        default=1.0,
        validator=validators.ge(1),
        metadata={"help": "factor by which long rotary wavelengths are stretched, as in Llama 3.1; 1 disables it"},
    )
    rope_low: float = field(
        default=1.0,
        validator=validators.gt(0),
        metadata={"help": "wavelengths with at most this many rotations in rope_context are stretched by rope_factor"},
    )
    rope_high: float = field(
        default=4.0,
        validator=validators.gt(0),
        metadata={"help": "wavelengths with at least this many rotations in rope_context are not stretched"},
    )
    rope_context: int = field(
        default=8192,
        validator=validators.gt(0),
        metadata={"help": "length in positions of the sequences that the model was trained on before stretching"},
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.rope_low >= self.rope_high:
            raise ValueError(f"rope_low {self.rope_low} is not below rope_high {self.rope_high}")

    @property
    def stretch(self) -> Stretch | None:
        if self.rope_factor == 1:
            return None
        return Stretch(self.rope_factor, self.rope_low, self.rope_high, self.rope_context)


_DEEPSEEK = {"vocabulary": 102_400, "context": 16_384, "rope_theta": 10_000.0, "eps": 1e-6}
_EMU3 = {"kv_heads": 8, "vocabulary": 184_622, "context": 9216, "rope_theta": 1_000_000.0, "eps": 1e-5}
_LLAMA_3 = {"kv_heads": 8, "vocabulary": 128_256, "rope_theta": 500_000.0, "eps": 1e-5}
_LLAMA_3_1 = {**_LLAMA_3, "context": 131_072, "rope_factor": 8.0}
_LLAMA_3_2 = {**_LLAMA_3, "context": 131_072, "rope_factor": 32.0, "tied": True}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "deepseek-llm-1.5b": {"width": 2048, "inner": 5632, "layers": 24, "heads": 16, **_DEEPSEEK},
    "deepseek-llm-7b": {"width": 4096, "inner": 11_008, "layers": 30, "heads": 32, **_DEEPSEEK},
    "emu3": {"width": 4096, "inner": 14_336, "layers": 32, "heads": 32, **_EMU3},
    "llama-2-7b": {"width": 4096, "inner": 11_008, "layers": 32, "heads": 32, "eps": 1e-5},
    "llama-3-8b": {"width": 4096, "inner": 14_336, "layers": 32, "heads": 32, "context": 8192, **_LLAMA_3},
    "llama-3.1-8b": {"width": 4096, "inner": 14_336, "layers": 32, "heads": 32, **_LLAMA_3_1},
    "llama-3.2-1b": {"width": 2048, "inner": 8192, "layers": 16, "heads": 32, **_LLAMA_3_2},
    "llama-3.2-3b": {"width": 3072, "inner": 8192, "layers": 28, "heads": 24, **_LLAMA_3_2},
}
