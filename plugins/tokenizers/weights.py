"""The names of a VQ tokenizer's tensors in the released directories of Janus."""

from janiform import KeyMap

_UNUSED = {"quantize.codebook_used": "it counts how often codes are used in training"}

OFFICIAL = KeyMap({"{rest}": "{rest}"}, prefix="gen_vision_model.", unused=_UNUSED, own=("quantize.idle",))

TRANSFORMERS = KeyMap(
    {
        "encoder.conv_blocks.{i}.res.{j}.{rest}": "encoder.down.{i}.block.{j}.{rest}",
        "encoder.conv_blocks.{i}.{rest}": "encoder.down.{i}.{rest}",
        "decoder.conv_blocks.{i}.res.{j}.{rest}": "decoder.up.{i}.block.{j}.{rest}",
        "decoder.conv_blocks.{i}.{rest}": "decoder.up.{i}.{rest}",
        "{half}.mid.0.{rest}": "{half}.mid.block_1.{rest}",
        "{half}.mid.1.{rest}": "{half}.mid.attn_1.{rest}",
        "{half}.mid.2.{rest}": "{half}.mid.block_2.{rest}",
        "{rest}": "{rest}",
    },
    prefix="model.vqmodel.",
    unused=_UNUSED,
    own=("quantize.idle",),
)
