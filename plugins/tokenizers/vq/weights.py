"""The names of a VQ tokenizer's tensors in released files, below the prefix given."""

from janiform import KeyMap

OFFICIAL_PREFIX = "gen_vision_model."
OFFICIAL = KeyMap({"{rest}": "{rest}"}, unused=("quantize.codebook_used",), own=("quantize.idle",))

TRANSFORMERS_PREFIX = "model.vqmodel."
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
    unused=("quantize.codebook_used",),
    own=("quantize.idle",),
)
