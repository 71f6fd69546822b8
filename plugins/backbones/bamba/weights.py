"""The names of Bamba's tensors in released files, which are those of transformers' ``BambaForCausalLM``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from janiform import KeyMap, Released

from .config import BambaConfig

_QKV = "layers.{i}.mixer.qkv_proj.weight"

_NAMES = {
    _QKV: tuple(f"layers.{{i}}.self_attn.{letter}_proj.weight" for letter in "qkv"),
    "layers.{i}.mixer.o_proj.weight": "layers.{i}.self_attn.o_proj.weight",
    **{
        f"layers.{{i}}.mixer.{name}": f"layers.{{i}}.mamba.{name}"
        for name in ("in_proj.{rest}", "conv1d.{rest}", "dt_bias", "A_log", "D", "norm.weight", "out_proj.{rest}")
    },
    "layers.{i}.mlp.gate_up_proj.weight": tuple(
        f"layers.{{i}}.feed_forward.{name}_proj.weight" for name in ("gate", "up")
    ),
    "layers.{i}.mlp.down_proj.weight": "layers.{i}.feed_forward.down_proj.weight",
    "layers.{i}.mixer_norm.weight": "layers.{i}.input_layernorm.weight",
    "layers.{i}.mlp_norm.weight": "layers.{i}.pre_ff_layernorm.weight",
    "embed_tokens.weight": "embed_tokens.weight",
    "norm.weight": "final_layernorm.weight",
}
"""Names in the backbone -> names in the files, below the model's prefix."""

_SETTINGS = {
    "width": "hidden_size",
    "inner": "intermediate_size",
    "layers": "num_hidden_layers",
    "attention": "attn_layer_indices",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "mamba_heads": "mamba_n_heads",
    "expand": "mamba_expand",
    "state": "mamba_d_state",
    "groups": "mamba_n_groups",
    "conv": "mamba_d_conv",
    "conv_bias": "mamba_conv_bias",
    "proj_bias": "mamba_proj_bias",
    "eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
}
"""Settings of the backbone -> settings in transformers' config files."""


def causal_lm(config: BambaConfig, model: str = "model.") -> KeyMap:
    """The names of ``BambaForCausalLM``, with the decoder itself below ``model``."""
    names = {
        name: model + target if isinstance(target, str) else tuple(model + piece for piece in target)
        for name, target in _NAMES.items()
    }
    kv_heads = config.kv_heads or config.heads
    head = "lm_head.weight"
    return KeyMap(
        {**names, head: head},
        within=(model + "embed_tokens.", model + "layers.", model + "final_layernorm.", head),
        shares={_QKV: (config.heads, kv_heads, kv_heads)},
        repeats={head: model + "embed_tokens.weight"} if config.tied else {},
    )


def _differences(config: BambaConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that the config and the released config state differently, as (configured, released)."""
    model_type = released.get("model_type", "bamba")
    if model_type != "bamba":
        raise ValueError(f"the directory holds a model of type '{model_type}'; backbone 'bamba' takes 'bamba'")
    stated = {name: released[key] for name, key in _SETTINGS.items() if released.get(key) is not None}
    if "attention" in stated:
        stated["attention"] = tuple(sorted(stated["attention"]))
    ours = {name: getattr(config, name) for name in stated}
    if "attention" in ours:
        ours["attention"] = tuple(sorted(config.attention))
    if "kv_heads" in ours:
        ours["kv_heads"] = config.kv_heads or config.heads
    return {name: (ours[name], value) for name, value in stated.items() if ours[name] != value}


RELEASED = Released(lambda config: [causal_lm(config), causal_lm(config, model="")], _differences)
