"""The names of a SigLIP encoder's tensors in released files, below the prefix given."""

from janiform import KeyMap

OFFICIAL_PREFIX = "vision_model.vision_tower."
OFFICIAL = KeyMap(
    {
        "patch_embed.{rest}": "patch_embed.proj.{rest}",
        "{rest}": "{rest}",
    },
    unused=("attn_pool.{rest}",),
)

TRANSFORMERS_PREFIX = "model.vision_model."
TRANSFORMERS = KeyMap(
    {
        "patch_embed.{rest}": "embeddings.patch_embedding.{rest}",
        "pos_embed": "embeddings.position_embedding.weight",
        "blocks.{i}.attn.qkv.{rest}": (
            "encoder.layers.{i}.self_attn.q_proj.{rest}",
            "encoder.layers.{i}.self_attn.k_proj.{rest}",
            "encoder.layers.{i}.self_attn.v_proj.{rest}",
        ),
        "blocks.{i}.attn.proj.{rest}": "encoder.layers.{i}.self_attn.projection_layer.{rest}",
        "blocks.{i}.norm1.{rest}": "encoder.layers.{i}.layer_norm1.{rest}",
        "blocks.{i}.norm2.{rest}": "encoder.layers.{i}.layer_norm2.{rest}",
        "blocks.{i}.mlp.{rest}": "encoder.layers.{i}.mlp.{rest}",
        "norm.{rest}": "post_layernorm.{rest}",
    },
    own=("attn_pool.{rest}",),
)
