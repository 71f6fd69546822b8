"""The names of a Llama backbone's tensors in directories of its own, and in those of Janus."""

from __future__ import annotations

from janiform import KeyMap

from ..decoder.config import DecoderConfig
from ..decoder.released import released
from ..decoder.weights import causal_lm

RELEASED = released("llama")


def official(config: DecoderConfig) -> KeyMap:
    """As ``LlamaForCausalLM`` has them, below ``language_model``."""
    return causal_lm(config, prefix="language_model.")


def transformers(config: DecoderConfig) -> KeyMap:
    """As ``JanusForConditionalGeneration`` has them, where the text head stands outside of the model."""
    return causal_lm(config, model="model.language_model.")
