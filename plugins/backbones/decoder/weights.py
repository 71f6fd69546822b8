"""The names of a decoder's tensors in released files. Its heads say how the fused projections divide.

Every family has the same names; what a family lacks is never asked for.
"""

from __future__ import annotations

from janiform import KeyMap

from .config import DecoderConfig

_QKV = ("layers.{i}.attention.qkv_proj.weight", "layers.{i}.attention.qkv_proj.bias")

_BLOCK = {
    **{
        ours: tuple(f"layers.{{i}}.self_attn.{letter}_proj.{ours.rpartition('.')[2]}" for letter in "qkv")
        for ours in _QKV
    },
    "layers.{i}.attention.q_norm.weight": "layers.{i}.self_attn.q_norm.weight",
    "layers.{i}.attention.k_norm.weight": "layers.{i}.self_attn.k_norm.weight",
    "layers.{i}.attention.o_proj.weight": "layers.{i}.self_attn.o_proj.weight",
    "layers.{i}.mlp.gate_up_proj.weight": ("layers.{i}.mlp.gate_proj.weight", "layers.{i}.mlp.up_proj.weight"),
    "layers.{i}.mlp.down_proj.weight": "layers.{i}.mlp.down_proj.weight",
    "layers.{i}.attention_norm.weight": "layers.{i}.input_layernorm.weight",
    "layers.{i}.mlp_norm.weight": "layers.{i}.post_attention_layernorm.weight",
    "embed_tokens.weight": "embed_tokens.weight",
    "norm.weight": "norm.weight",
}


def causal_lm(config: DecoderConfig, prefix: str = "", model: str = "model.", head: str = "lm_head.weight") -> KeyMap:
    """As transformers' ``…ForCausalLM`` have them, all of it below ``prefix`` and the decoder below ``model``."""
    names = {
        ours: model + theirs if isinstance(theirs, str) else tuple(model + name for name in theirs)
        for ours, theirs in _BLOCK.items()
    }
    kv_heads = config.hidden().kv_heads
    return KeyMap(
        {**names, "lm_head.weight": head},
        prefix=prefix,
        within=(model, head),
        shares=dict.fromkeys(_QKV, (config.heads, kv_heads, kv_heads)),
        unused={model + "layers.{i}.self_attn.rotary_emb.inv_freq": "the angles follow from rope_theta"},
        repeats={head: model + "embed_tokens.weight"} if config.tied else {},
    )
