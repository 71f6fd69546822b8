"""The names of a SigLIP encoder's tensors in released files."""

from janiform import KeyMap

OFFICIAL = KeyMap(
    {"patch_embed.{rest}": "patch_embed.proj.{rest}", "{rest}": "{rest}"},
    prefix="vision_model.vision_tower.",
    unused={"attn_pool.{rest}": "Janus looks at all features, and not at the one vector that this head pools"},
)

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
    prefix="model.vision_model.",
    squeezed=("pos_embed",),
    unused={"embeddings.position_ids": "it counts the positions, which needs no tensor"},
    own=("attn_pool.{rest}",),
)
