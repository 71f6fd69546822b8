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

MAR = KeyMap(
    {
        "enter.{rest}": "z_proj.{rest}",
        "begin": "fake_latent",
        "enter_norm.{rest}": "z_proj_ln.{rest}",
        "transformer.positions": "encoder_pos_embed_learned",
        "transformer.blocks.{rest}": "encoder_blocks.{rest}",
        "transformer.norm.{rest}": "encoder_norm.{rest}",
    },
    within=("z_proj.", "fake_latent", "z_proj_ln.", "encoder_pos_embed_learned", "encoder_blocks.", "encoder_norm."),
)
"""The names of the encoder in MAR's files; those of Harmon are below ``mar.``."""

MAR_RELEASED = Released(lambda config: [MAR, MAR.below("mar.")])

UVIT_RELEASED = Released(lambda config: [JANUSFLOW])
