"""The names of a CLIP encoder's tensors in released files."""

from __future__ import annotations

from janiform import KeyMap

from ..vit.released import released
from .config import ClipConfig


def transformers(config: ClipConfig) -> KeyMap:
    """The names of ``CLIPVisionModel``, as the released directories of whole CLIPs have them.

    A directory that transformers 5 writes of the vision model alone has them without the prefix: ``.below("")``.
    """
    later = f"the features are taken after block {config.depth} of {config.layers}"
    return KeyMap(
        {
            "patch_embed.{rest}": "embeddings.patch_embedding.{rest}",
            "cls_token": "embeddings.class_embedding",
            "pos_embed": "embeddings.position_embedding.weight",
            "pre_norm.{rest}": "pre_layrnorm.{rest}",  # spelled so in the files
            "blocks.{i}.attn.qkv.{rest}": (
                "encoder.layers.{i}.self_attn.q_proj.{rest}",
                "encoder.layers.{i}.self_attn.k_proj.{rest}",
                "encoder.layers.{i}.self_attn.v_proj.{rest}",
            ),
            "blocks.{i}.attn.proj.{rest}": "encoder.layers.{i}.self_attn.out_proj.{rest}",
            "blocks.{i}.norm1.{rest}": "encoder.layers.{i}.layer_norm1.{rest}",
            "blocks.{i}.norm2.{rest}": "encoder.layers.{i}.layer_norm2.{rest}",
            "blocks.{i}.mlp.{rest}": "encoder.layers.{i}.mlp.{rest}",
        },
        prefix="vision_model.",
        squeezed=("cls_token", "pos_embed"),
        unused={
            "embeddings.position_ids": "it counts the positions, which needs no tensor",
            "post_layernorm.{rest}": "it norms the class token, and the features are the patches",
        }
        | {f"encoder.layers.{index}.{{rest}}": later for index in range(config.depth, config.layers)},
    )


def _keys(config: ClipConfig) -> list[KeyMap]:
    return [transformers(config).below(prefix) for prefix in ("vision_model.", "", "vision_tower.vision_model.")]


RELEASED = released(_keys, "clip_vision_model", "clip")
