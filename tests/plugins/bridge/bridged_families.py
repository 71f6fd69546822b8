"""Tiny models of many families: what stands in their configs."""

from __future__ import annotations

from typing import Any

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WINDOW = 4
"""Of those that slide: shorter than what is read."""

_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 50, "n_positions": 64}
_ONE_HEAD = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}

LANGUAGE: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "qwen3": SIZES | {"head_dim": 10, "tie_word_embeddings": True},
    "qwen3_moe": SIZES | {"head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "gemma2": SIZES
    | {"head_dim": 8, "query_pre_attn_scalar": 20, "sliding_window": WINDOW, "attn_logit_softcapping": 2.0},
    "gemma3_text": SIZES
    | {"head_dim": 8, "sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    "mistral": SIZES | {"sliding_window": WINDOW},
    "granite": SIZES | {"embedding_multiplier": 3.0, "logits_scaling": 2.0, "attention_multiplier": 0.7},
    "gpt2": _GPT2,
    "gpt_neox": _ONE_HEAD | {"rotary_pct": 0.5},
    "phi": _ONE_HEAD | {"partial_rotary_factor": 0.5},
    "opt": {key: value for key, value in _ONE_HEAD.items() if key != "intermediate_size"}
    | {"ffn_dim": 40, "word_embed_proj_dim": 32},
    "olmo2": SIZES,
}
"""Rotary and learned positions, norms before and after, experts, windows, capped and scaled scores and logits."""

SLIDING = {"gemma2": (True, False), "gemma3_text": (True, False), "mistral": (True, True)}
"""Whether each layer slides."""

_EYES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 24, "patch_size": 8}
_INNER = _EYES | {"intermediate_size": 24}

VISION: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "siglip_vision_model": (_INNER, {}),
    "clip_vision_model": (_INNER, {"layer": -2, "image_size": 40}),
    "dinov2": (_EYES, {"keep_first": 1}),
    "dinov2_with_registers": (_EYES, {"layer": 1}),
    "vit": (_INNER, {}),
    "convnext": (
        {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 1, 1, 1], "image_size": 64},
        {"stride": 32, "width": 16},
    ),
}
"""Settings of the type, and of our component."""
