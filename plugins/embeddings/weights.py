"""The names of an embedding table in the released directories of Janus."""

from janiform import KeyMap, Released

OFFICIAL = KeyMap({"table.weight": "weight"}, prefix="gen_embed.")
TRANSFORMERS = OFFICIAL.below("model.generation_embeddings.")

JANUSFLOW = KeyMap(
    {
        "time.into.{rest}": "vision_gen_enc_model.time_embed.linear_1.{rest}",
        "time.out.{rest}": "vision_gen_enc_model.time_embed.linear_2.{rest}",
        "in_conv.{rest}": "vision_gen_enc_model.in_conv.{rest}",
        "blocks.{rest}": "vision_gen_enc_model.mid_block.res_blocks.{rest}",
        "aligner.{rest}": "vision_gen_enc_aligner.{rest}",
    },
    within=("vision_gen_enc_model.", "vision_gen_enc_aligner."),
)
"""The names of the U-ViT's encoder and of the layer after it in JanusFlow's files."""

UVIT_RELEASED = Released(lambda config: [JANUSFLOW])
