"""The names of the encoders' tensors in released files, and the settings that the config beside them states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from janiform import KeyMap, Released

from .config import ClipConfig, VitConfig

_ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu-tanh", "gelu_new": "gelu-tanh", "quick_gelu": "quick-gelu"}

_SETTINGS = {
    "patch_size": "patch_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "eps": "layer_norm_eps",
}
"""Settings of a vision transformer -> settings in transformers' config files."""


def _released(keys: Callable[[Any], Sequence[KeyMap]], *types: str) -> Released:
    """The released weights of an encoder, whose config files name one of transformers' model ``types``."""

    def differences(config: VitConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        if isinstance(released.get("vision_config"), Mapping):  # the config of a vision-language model
            released = {"model_type": types[0], **released["vision_config"]}
        model_type = released.get("model_type")
        if model_type is not None and model_type not in types:
            raise ValueError(f"the directory holds a model of type '{model_type}'; this encoder takes '{types[0]}'")
        stated = {name: released[key] for name, key in _SETTINGS.items() if released.get(key) is not None}
        if hasattr(config, "activation") and released.get("hidden_act") is not None:
            stated["activation"] = _ACTIVATIONS.get(released["hidden_act"], released["hidden_act"])
        configured = {name: getattr(config, name) for name in stated}
        return {name: (configured[name], value) for name, value in stated.items() if configured[name] != value}

    return Released(keys, differences)


_POSITION_IDS = {"embeddings.position_ids": "position numbers need no tensor"}


def _clip_blocks(projection: str) -> dict[str, str | tuple[str, ...]]:
    """The names of CLIP's and SigLIP's blocks in transformers; ``projection`` follows the attention."""
    attention = "encoder.layers.{i}.self_attn"
    return {
        "blocks.{i}.attn.qkv.{rest}": tuple(f"{attention}.{letter}_proj.{{rest}}" for letter in "qkv"),
        "blocks.{i}.attn.proj.{rest}": f"{attention}.{projection}.{{rest}}",
        "blocks.{i}.norm1.{rest}": "encoder.layers.{i}.layer_norm1.{rest}",
        "blocks.{i}.norm2.{rest}": "encoder.layers.{i}.layer_norm2.{rest}",
        "blocks.{i}.mlp.{rest}": "encoder.layers.{i}.mlp.{rest}",
    }


def _siglip(projection: str) -> dict[str, str | tuple[str, ...]]:
    return {
        "patch_embed.{rest}": "embeddings.patch_embedding.{rest}",
        "pos_embed": "embeddings.position_embedding.weight",
        **_clip_blocks(projection),
        "norm.{rest}": "post_layernorm.{rest}",
    }


SIGLIP_OFFICIAL = KeyMap(
    {"patch_embed.{rest}": "patch_embed.proj.{rest}", "{rest}": "{rest}"},
    prefix="vision_model.vision_tower.",
    unused={"attn_pool.{rest}": "Janus uses all features instead of the vector that this head pools"},
)
"""The names in the official directories of Janus."""

SIGLIP_JANUS = KeyMap(
    _siglip("projection_layer"),
    prefix="model.vision_model.",
    squeezed=("pos_embed",),
    unused=_POSITION_IDS,
    own=("attn_pool.{rest}",),
)
"""The names in the directories of Janus that transformers writes."""

SIGLIP_TOWER = KeyMap(
    _siglip("out_proj"),
    prefix="vision_model.",
    squeezed=("pos_embed",),
    unused=_POSITION_IDS | {"head.{rest}": "all features are used instead of the vector that this head pools"},
)
"""The names of ``SiglipVisionModel``, as in released directories of complete SigLIPs and fixed-size SigLIP 2s.

A directory that transformers 5 writes of the vision model alone has them without the prefix: ``.below("")``.
"""

SIGLIP = _released(
    lambda config: (
        SIGLIP_TOWER,
        SIGLIP_TOWER.below(""),
        SIGLIP_TOWER.below("vision_tower.vision_model."),
        SIGLIP_OFFICIAL,
    ),
    "siglip_vision_model",
    "siglip",
    "siglip2_vision_model",
    "siglip2",
)


def clip_tower(config: ClipConfig) -> KeyMap:
    """The names of ``CLIPVisionModel``, as in released directories of complete CLIPs.

    A directory that transformers 5 writes of the vision model alone has them without the prefix: ``.below("")``.
    """
    later = f"the features are taken after block {config.depth} of {config.layers}"
    return KeyMap(
        {
            "patch_embed.{rest}": "embeddings.patch_embedding.{rest}",
            "cls_token": "embeddings.class_embedding",
            "pos_embed": "embeddings.position_embedding.weight",
            "pre_norm.{rest}": "pre_layrnorm.{rest}",  # the files' own spelling
            **_clip_blocks("out_proj"),
        },
        prefix="vision_model.",
        squeezed=("cls_token", "pos_embed"),
        unused=_POSITION_IDS
        | {"post_layernorm.{rest}": "it normalises the class token, which is not a feature"}
        | {f"encoder.layers.{index}.{{rest}}": later for index in range(config.depth, config.layers)},
    )


CLIP = _released(
    lambda config: [clip_tower(config).below(prefix) for prefix in ("vision_model.", "", "vision_tower.vision_model.")],
    "clip_vision_model",
    "clip",
)

DINOV2_TOWER = KeyMap(
    {
        "patch_embed.{rest}": "embeddings.patch_embeddings.projection.{rest}",
        "cls_token": "embeddings.cls_token",
        "registers": "embeddings.register_tokens",
        "pos_embed": "embeddings.position_embeddings",
        "blocks.{i}.attn.qkv.{rest}": (
            "encoder.layer.{i}.attention.attention.query.{rest}",
            "encoder.layer.{i}.attention.attention.key.{rest}",
            "encoder.layer.{i}.attention.attention.value.{rest}",
        ),
        "blocks.{i}.attn.proj.{rest}": "encoder.layer.{i}.attention.output.dense.{rest}",
        "blocks.{i}.scale1": "encoder.layer.{i}.layer_scale1.lambda1",
        "blocks.{i}.scale2": "encoder.layer.{i}.layer_scale2.lambda1",
        "blocks.{i}.mlp.gate_up.{rest}": "encoder.layer.{i}.mlp.weights_in.{rest}",
        "blocks.{i}.mlp.down.{rest}": "encoder.layer.{i}.mlp.weights_out.{rest}",
        "blocks.{i}.{rest}": "encoder.layer.{i}.{rest}",
        "norm.{rest}": "layernorm.{rest}",
    },
    unused={"embeddings.mask_token": "it replaces hidden patches, which only DINOv2's own training has"},
)
"""The names of ``Dinov2Model`` and ``Dinov2WithRegistersModel`` in their directories."""

DINOV2 = _released(
    lambda config: (DINOV2_TOWER, DINOV2_TOWER.below("dinov2."), DINOV2_TOWER.below("dinov2_with_registers.")),
    "dinov2",
    "dinov2_with_registers",
)

FUYU_PATCHES = KeyMap(
    {"patch_embed.{rest}": "{rest}"},
    prefix="vision_embed_tokens.",
    own=("row_embed", "column_embed"),
)
"""The names of a patch encoder's tensors in Fuyu's directories."""
