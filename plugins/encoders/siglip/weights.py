"""The names of a SigLIP encoder's tensors in released files."""

from janiform import KeyMap

from ..vit.released import released

OFFICIAL = KeyMap(
    {"patch_embed.{rest}": "patch_embed.proj.{rest}", "{rest}": "{rest}"},
    prefix="vision_model.vision_tower.",
    unused={"attn_pool.{rest}": "Janus looks at all features, and not at the one vector that this head pools"},
)


def _names(projection: str) -> dict[str, str | tuple[str, ...]]:
    """Our names -> those of transformers, whose Janus calls the projection after the attention otherwise."""
    attention = "encoder.layers.{i}.self_attn"
    return {
        "patch_embed.{rest}": "embeddings.patch_embedding.{rest}",
        "pos_embed": "embeddings.position_embedding.weight",
        "blocks.{i}.attn.qkv.{rest}": tuple(f"{attention}.{part}_proj.{{rest}}" for part in "qkv"),
        "blocks.{i}.attn.proj.{rest}": f"{attention}.{projection}.{{rest}}",
        "blocks.{i}.norm1.{rest}": "encoder.layers.{i}.layer_norm1.{rest}",
        "blocks.{i}.norm2.{rest}": "encoder.layers.{i}.layer_norm2.{rest}",
        "blocks.{i}.mlp.{rest}": "encoder.layers.{i}.mlp.{rest}",
        "norm.{rest}": "post_layernorm.{rest}",
    }


_COUNTED = {"embeddings.position_ids": "it counts the positions, which needs no tensor"}

TRANSFORMERS = KeyMap(
    _names("projection_layer"),
    prefix="model.vision_model.",
    squeezed=("pos_embed",),
    unused=_COUNTED,
    own=("attn_pool.{rest}",),
)
"""The names in the directories of Janus that transformers writes."""

TOWER = KeyMap(
    _names("out_proj"),
    prefix="vision_model.",
    squeezed=("pos_embed",),
    unused=_COUNTED | {"head.{rest}": "all features are looked at, and not the one vector that this head pools"},
)
"""The names of ``SiglipVisionModel``, as the released directories of whole SigLIPs and fixed-size SigLIP 2s have them.

A directory that transformers 5 writes of the vision model alone has them without the prefix: ``.below("")``.
"""

RELEASED = released(
    lambda config: (TOWER, TOWER.below(""), TOWER.below("vision_tower.vision_model."), OFFICIAL),
    "siglip_vision_model",
    "siglip",
    "siglip2_vision_model",
    "siglip2",
)
