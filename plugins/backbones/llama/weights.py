"""The names of a Llama backbone's tensors in released files. Its heads say how the fused projections divide."""

from janiform import KeyMap

from .config import LlamaConfig

QKV = "layers.{i}.attention.qkv_proj.weight"

_BLOCK = {
    QKV: (
        "layers.{i}.self_attn.q_proj.weight",
        "layers.{i}.self_attn.k_proj.weight",
        "layers.{i}.self_attn.v_proj.weight",
    ),
    "layers.{i}.attention.o_proj.weight": "layers.{i}.self_attn.o_proj.weight",
    "layers.{i}.mlp.gate_up_proj.weight": ("layers.{i}.mlp.gate_proj.weight", "layers.{i}.mlp.up_proj.weight"),
    "layers.{i}.mlp.down_proj.weight": "layers.{i}.mlp.down_proj.weight",
    "layers.{i}.attention_norm.weight": "layers.{i}.input_layernorm.weight",
    "layers.{i}.mlp_norm.weight": "layers.{i}.post_attention_layernorm.weight",
    "embed_tokens.weight": "embed_tokens.weight",
    "norm.weight": "norm.weight",
}


def official(config: LlamaConfig) -> KeyMap:
    """As ``LlamaForCausalLM`` has them, below ``language_model``."""
    return _names(config, "language_model.", "model.", "lm_head.weight")


def transformers(config: LlamaConfig) -> KeyMap:
    """As ``JanusForConditionalGeneration`` has them, where the text head stands outside of the model."""
    return _names(config, "", "model.language_model.", "lm_head.weight")


def _names(config: LlamaConfig, prefix: str, model: str, head: str) -> KeyMap:
    names = {
        ours: model + theirs if isinstance(theirs, str) else tuple(model + name for name in theirs)
        for ours, theirs in _BLOCK.items()
    }
    kv_heads = config.kv_heads or config.heads
    return KeyMap(
        {**names, "lm_head.weight": head},
        prefix=prefix,
        shares={QKV: (config.heads, kv_heads, kv_heads)},
        unused={model + "layers.{i}.self_attn.rotary_emb.inv_freq": "the angles follow from rope_theta"},
        repeats={head: model + "embed_tokens.weight"} if config.tied else {},
    )
