"""The names of Phi's tensors in released files, which are those of transformers' ``PhiForCausalLM``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from janiform import KeyMap, Released

from .config import PhiConfig

_QKV = ("layers.{i}.attention.qkv_proj.weight", "layers.{i}.attention.qkv_proj.bias")

_NAMES = {
    **{
        fused: tuple(f"layers.{{i}}.self_attn.{letter}_proj.{fused.rpartition('.')[2]}" for letter in "qkv")
        for fused in _QKV
    },
    "layers.{i}.attention.o_proj.{rest}": "layers.{i}.self_attn.dense.{rest}",
    "layers.{i}.mlp.up_proj.{rest}": "layers.{i}.mlp.fc1.{rest}",
    "layers.{i}.mlp.down_proj.{rest}": "layers.{i}.mlp.fc2.{rest}",
    "layers.{i}.norm.{rest}": "layers.{i}.input_layernorm.{rest}",
    "embed_tokens.weight": "embed_tokens.weight",
    "norm.{rest}": "final_layernorm.{rest}",
}
"""Names in the backbone -> names in the files, below the model's prefix."""

_SETTINGS = {
    "width": "hidden_size",
    "inner": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "rotary": "partial_rotary_factor",
    "rope_theta": "rope_theta",
    "eps": "layer_norm_eps",
}
"""Settings of the backbone -> settings in transformers' config files."""


def causal_lm(config: PhiConfig, prefix: str = "", model: str = "model.") -> KeyMap:
    """The names of ``PhiForCausalLM``: all below ``prefix``, the decoder itself below ``model``."""
    names = {
        name: model + target if isinstance(target, str) else tuple(model + piece for piece in target)
        for name, target in _NAMES.items()
    }
    kv_heads = config.hidden().kv_heads
    return KeyMap(
        {**names, "lm_head.{rest}": "lm_head.{rest}"},
        prefix=prefix,
        within=(model + "embed_tokens.", model + "layers.", model + "final_layernorm.", "lm_head."),
        shares=dict.fromkeys(_QKV, (config.heads, kv_heads, kv_heads)),
        unused={model + "layers.{i}.self_attn.rotary_emb.inv_freq": "the angles follow from rope_theta"},
    )


def show_o(config: PhiConfig) -> KeyMap:
    """The names in Show-o's release (showlab/Show-o)."""
    return causal_lm(config, prefix="showo.")


def _differences(config: PhiConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that the config and the released config state differently, as (configured, released)."""
    model_type = released.get("model_type", "phi")
    if model_type != "phi":
        raise ValueError(f"the directory holds a model of type '{model_type}'; backbone 'phi' takes 'phi'")
    if released.get("qk_layernorm"):
        raise ValueError("the released model normalises its queries and keys, which phi does not")
    rope = released.get("rope_parameters") or released.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type")) or "default"
    if rope_type != "default":
        raise ValueError(f"the released model has rotary positions of type '{rope_type}', which phi does not have")
    released = {**released, **rope}
    stated = {name: released[key] for name, key in _SETTINGS.items() if released.get(key) is not None}
    sizes = {"kv_heads": config.hidden().kv_heads}
    configured = {name: sizes.get(name, getattr(config, name)) for name in stated}
    return {name: (configured[name], value) for name, value in stated.items() if configured[name] != value}


RELEASED = Released(lambda config: [causal_lm(config), show_o(config), causal_lm(config, model="")], _differences)
