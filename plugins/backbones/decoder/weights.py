"""The names of a decoder's tensors in released files, and the settings that the config beside them states.

All families use the same names; tensors that a family lacks are never looked up. The heads of a config say how the
fused projections divide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from janiform import KeyMap, Released

from .config import DecoderConfig

_QKV = ("layers.{i}.attention.qkv_proj.weight", "layers.{i}.attention.qkv_proj.bias")

_NAMES = {
    **{
        fused: tuple(f"layers.{{i}}.self_attn.{letter}_proj.{fused.rpartition('.')[2]}" for letter in "qkv")
        for fused in _QKV
    },
    "layers.{i}.attention.q_norm.{rest}": "layers.{i}.self_attn.q_norm.{rest}",
    "layers.{i}.attention.k_norm.{rest}": "layers.{i}.self_attn.k_norm.{rest}",
    "layers.{i}.attention.o_proj.weight": "layers.{i}.self_attn.o_proj.weight",
    "layers.{i}.mlp.gate_up_proj.weight": ("layers.{i}.mlp.gate_proj.weight", "layers.{i}.mlp.up_proj.weight"),
    "layers.{i}.mlp.down_proj.weight": "layers.{i}.mlp.down_proj.weight",
    "layers.{i}.attention_norm.weight": "layers.{i}.input_layernorm.weight",
    "layers.{i}.mlp_norm.weight": "layers.{i}.post_attention_layernorm.weight",
    "embed_tokens.weight": "embed_tokens.weight",
    "norm.weight": "norm.weight",
}
"""Names in the decoder -> names in the files."""

_ROUTED = tuple(name for name in _NAMES if name.startswith("layers."))
"""Names of which every set of weights has its own, beside the final norm."""

_OWN = ("embed_tokens.", "layers.", "norm.")
"""Prefixes of the decoder's names in the files; a visual tokenizer may stand beside it, as in Chameleon."""

_SETTINGS = {
    "width": "hidden_size",
    "inner": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
    "swin_norm": "swin_norm",
}
"""Settings of the decoder -> settings in transformers' config files."""

_STRETCH = {
    "rope_factor": "factor",
    "rope_low": "low_freq_factor",
    "rope_high": "high_freq_factor",
    "rope_context": "original_max_position_embeddings",
}


def causal_lm(config: DecoderConfig, prefix: str = "", model: str = "model.", head: str = "lm_head.weight") -> KeyMap:
    """The names of transformers' ``…ForCausalLM``: all below ``prefix``, the decoder itself below ``model``.

    ``ChameleonForConditionalGeneration`` has the same.
    """
    names = {
        name: model + target if isinstance(target, str) else tuple(model + piece for piece in target)
        for name, target in _NAMES.items()
    }
    # Further sets of weights begin with those of the first.
    again = {
        pattern.replace("layers.{i}.", f"layers.{{i}}.{route}.") if pattern in _ROUTED else f"{route}.{pattern}": target
        for route in config.routes
        for pattern, target in names.items()
        if pattern in _ROUTED or pattern == "norm.weight"
    }
    kv_heads = config.hidden().kv_heads
    fused = [name.replace("{i}.", f"{{i}}.{route}.") for route in config.routes for name in _QKV]
    return KeyMap(
        {**again, **names, "lm_head.weight": head},
        prefix=prefix,
        within=(*(model + own for own in _OWN), head),
        shares=dict.fromkeys((*_QKV, *fused), (config.heads, kv_heads, kv_heads)),
        unused={model + "layers.{i}.self_attn.rotary_emb.inv_freq": "the angles follow from rope_theta"},
        repeats={head: model + "embed_tokens.weight"} if config.tied else {},
    )


def bagel(config: DecoderConfig, route: str) -> KeyMap:
    """The names in the files of BAGEL, whose second set of weights has the suffix ``_moe_gen``."""
    names = causal_lm(config, prefix="language_model.")

    def second(target: str) -> str:
        head, _, rest = target.rpartition(".")
        if ".mlp." in target:
            return target.replace(".mlp.", ".mlp_moe_gen.")
        return f"{head}_moe_gen.{rest}"

    changed = {
        pattern: second(target) if isinstance(target, str) else tuple(map(second, target))
        for pattern, target in names.names.items()
        if f".{route}." in pattern or pattern.startswith(f"{route}.")
    }
    return evolve(names, names={**names.names, **changed})


def official_janus(config: DecoderConfig) -> KeyMap:
    """The names in the official directories of Janus: those of ``LlamaForCausalLM`` below ``language_model``."""
    return causal_lm(config, prefix="language_model.")


def transformers_janus(config: DecoderConfig) -> KeyMap:
    """The names of ``JanusForConditionalGeneration``, in which the text head stands outside of the model."""
    return causal_lm(config, model="model.language_model.")


def transformers_emu3(config: DecoderConfig) -> KeyMap:
    """The names of ``Emu3ForConditionalGeneration`` in files, which are those of a causal model below one prefix."""
    return causal_lm(config, prefix="text_model.")


def transformers_emu3_in_memory(config: DecoderConfig) -> KeyMap:
    """The names of ``Emu3ForConditionalGeneration`` in files that some versions of transformers wrote since 4.52."""
    return causal_lm(config, model="model.text_model.")


def harmon(config: DecoderConfig) -> KeyMap:
    """The names in the files of Harmon: those of a causal model below ``llm``."""
    return causal_lm(config, prefix="llm.")


def _keys(config: DecoderConfig) -> list[KeyMap]:
    return [
        causal_lm(config),
        official_janus(config),  # also models of several towers that were released before 2025
        transformers_janus(config),  # also models of several towers that were released since 2025
        transformers_emu3(config),
        transformers_emu3_in_memory(config),
        harmon(config),
        causal_lm(config, model=""),  # the base model alone
    ]


def _differences(config: DecoderConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that the config and the released config state differently, as (configured, released)."""
    released = _language_model(released)
    family = config.model_types[0]
    model_type = released.get("model_type")
    if model_type is not None and model_type not in config.model_types:
        takes = " or ".join(f"'{name}'" for name in config.model_types)
        raise ValueError(f"the directory holds a model of type '{model_type}'; backbone '{family}' takes {takes}")
    if released.get("sliding_window") and released.get("use_sliding_window", model_type == "mistral"):
        raise ValueError(
            f"the released model has a sliding window of {released['sliding_window']}, which {family} does not have"
        )
    rope = released.get("rope_parameters") or released.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type")) or "default"
    can_stretch = hasattr(config, "rope_factor")
    if rope_type not in (("default", "llama3") if can_stretch else ("default",)):
        raise ValueError(f"the released model has rotary positions of type '{rope_type}', which {family} does not have")
    stated = {name: released[key] for name, key in _SETTINGS.items() if released.get(key) is not None}
    if (theta := rope.get("rope_theta", released.get("rope_theta"))) is not None:
        stated["rope_theta"] = theta
    if rope_type == "llama3":
        stated |= {name: rope[key] for name, key in _STRETCH.items() if key in rope}
    elif can_stretch:
        stated["rope_factor"] = 1.0
    shape = config.hidden()
    sizes = {"kv_heads": shape.kv_heads, "head_width": shape.head_width}
    configured = {name: sizes.get(name, getattr(config, name)) for name in stated}
    return {name: (configured[name], value) for name, value in stated.items() if configured[name] != value}


def _language_model(released: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of the language model in the config of a model of several towers."""
    for name in ("text_config", "language_config"):
        if isinstance(table := released.get(name), Mapping):
            return table
    return released


RELEASED = Released(_keys, _differences)
