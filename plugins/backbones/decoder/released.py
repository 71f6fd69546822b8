"""What a decoder's weights are called where they are published, and what the config beside them says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from janiform import KeyMap, Released

from .config import DecoderConfig
from .weights import causal_lm

_TYPES = {
    "llama": ("llama", "mistral"),
    "mistral": ("mistral", "llama"),
    "qwen2": ("qwen2",),
    "qwen3": ("qwen3",),
    "gemma": ("gemma",),
}
"""The types of transformers' models that a family of ours computes."""

_SAID = {
    "width": "hidden_size",
    "inner": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
}
_STRETCH = {
    "rope_factor": "factor",
    "rope_low": "low_freq_factor",
    "rope_high": "high_freq_factor",
    "rope_context": "original_max_position_embeddings",
}


def released(family: str) -> Released:
    """For the family of decoders that a component is called by."""

    def differences(config: DecoderConfig, said: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        return _differences(family, config, _language_model(said))

    return Released(_keys, differences)


def _keys(config: DecoderConfig) -> list[KeyMap]:
    return [
        causal_lm(config),
        causal_lm(config, prefix="language_model."),  # official Janus, and models of several towers before 2025
        causal_lm(config, model="model.language_model."),  # and since then
        causal_lm(config, model=""),  # the base model alone
    ]


def _language_model(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of the language model in the config of a model of several towers."""
    for name in ("text_config", "language_config"):
        if isinstance(said.get(name), Mapping):
            return said[name]  # type: ignore[no-any-return]
    return said


def _differences(family: str, config: DecoderConfig, said: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    kind = said.get("model_type")
    if kind is not None and kind not in _TYPES[family]:
        raise ValueError(f"the directory holds a model of type '{kind}', and {family} computes {_TYPES[family][0]}")
    if said.get("sliding_window") and said.get("use_sliding_window", kind == "mistral"):
        raise ValueError(f"it has a sliding window of {said['sliding_window']}, which {family} does not have")
    shape = config.hidden()
    ours = {name: getattr(config, name) for name in _SAID} | {
        "kv_heads": shape.kv_heads,
        "head_width": shape.head_width,
    }
    theirs = {name: said[key] for name, key in _SAID.items() if said.get(key) is not None}
    ours["rope_theta"] = config.rope_theta
    rope = said.get("rope_parameters") or said.get("rope_scaling") or {}
    if (theta := rope.get("rope_theta", said.get("rope_theta"))) is not None:
        theirs["rope_theta"] = theta
    turning = rope.get("rope_type", rope.get("type")) or "default"
    stretches = hasattr(config, "rope_factor")
    if turning not in (("default", "llama3") if stretches else ("default",)):
        raise ValueError(f"its rotary positions are '{turning}', which {family} does not have")
    if stretches:
        ours |= {name: getattr(config, name) for name in _STRETCH}
        if turning == "llama3":
            theirs |= {name: rope[key] for name, key in _STRETCH.items() if key in rope}
        else:
            theirs["rope_factor"] = 1.0
    return {name: (ours[name], value) for name, value in theirs.items() if ours[name] != value}
