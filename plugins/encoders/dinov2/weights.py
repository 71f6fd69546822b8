"""The names of a DINOv2 encoder's tensors in released files."""

from janiform import KeyMap

from ..vit.released import released

TRANSFORMERS = KeyMap(
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
    unused={"embeddings.mask_token": "it stands for hidden patches, which only DINOv2's own training has"},
)
"""The names of ``Dinov2Model`` and ``Dinov2WithRegistersModel`` in their directories."""

RELEASED = released(
    lambda config: (TRANSFORMERS, TRANSFORMERS.below("dinov2."), TRANSFORMERS.below("dinov2_with_registers.")),
    "dinov2",
    "dinov2_with_registers",
)
