"""The names of an MLP head's tensors in the released directories of Janus, where it has exactly two layers."""

from janiform import KeyMap, Released

OFFICIAL = KeyMap(
    {"layers.0.{rest}": "output_mlp_projector.{rest}", "layers.2.{rest}": "vision_head.{rest}"}, prefix="gen_head."
)
TRANSFORMERS = KeyMap(
    {"layers.0.{rest}": "proj_out.{rest}", "layers.2.{rest}": "vision_head.{rest}"}, prefix="model.generation_head."
)

JANUSFLOW = KeyMap(
    {
        "norm.{rest}": "vision_gen_dec_aligner_norm.{rest}",
        "aligner.{rest}": "vision_gen_dec_aligner.{rest}",
        "input_norm.{rest}": "vision_gen_dec_model.input_norm.{rest}",
        "blocks.{rest}": "vision_gen_dec_model.mid_block.res_blocks.{rest}",
        "out_norm.{rest}": "vision_gen_dec_model.out_convs.0.norm.{rest}",
        "out_conv.{rest}": "vision_gen_dec_model.out_convs.0.unpatch_conv.{rest}",
    },
    within=("vision_gen_dec_aligner_norm.", "vision_gen_dec_aligner.", "vision_gen_dec_model."),
)
"""The names of the U-ViT's decoder and of the norm and the layer before it in JanusFlow's files."""

_MAR_NET = {
    "net.time_into.{rest}": "mar.diffloss.net.time_embed.mlp.0.{rest}",
    "net.time_out.{rest}": "mar.diffloss.net.time_embed.mlp.2.{rest}",
    "net.condition.{rest}": "mar.diffloss.net.cond_embed.{rest}",
    "net.enter.{rest}": "mar.diffloss.net.input_proj.{rest}",
    "net.blocks.{i}.norm.{rest}": "mar.diffloss.net.res_blocks.{i}.in_ln.{rest}",
    "net.blocks.{i}.into.{rest}": "mar.diffloss.net.res_blocks.{i}.mlp.0.{rest}",
    "net.blocks.{i}.out.{rest}": "mar.diffloss.net.res_blocks.{i}.mlp.2.{rest}",
    "net.blocks.{i}.modulation.{rest}": "mar.diffloss.net.res_blocks.{i}.adaLN_modulation.1.{rest}",
    "net.modulation.{rest}": "mar.diffloss.net.final_layer.adaLN_modulation.1.{rest}",
    "net.leave.{rest}": "mar.diffloss.net.final_layer.linear.{rest}",
}

HARMON = KeyMap(
    {
        "into.{rest}": "proj_out.0.{rest}",
        "out.{rest}": "proj_out.2.{rest}",
        "enter.{rest}": "mar.decoder_embed.{rest}",
        "masked": "mar.mask_token",
        "positions": "mar.diffusion_pos_embed_learned",
        "transformer.positions": "mar.decoder_pos_embed_learned",
        "transformer.blocks.{rest}": "mar.decoder_blocks.{rest}",
        "transformer.norm.{rest}": "mar.decoder_norm.{rest}",
        **_MAR_NET,
    },
    within=(
        "proj_out.",
        "mar.decoder_embed.",
        "mar.mask_token",
        "mar.diffusion_pos_embed_learned",
        "mar.decoder_pos_embed_learned",
        "mar.decoder_blocks.",
        "mar.decoder_norm.",
        "mar.diffloss.",
    ),
)
"""The names of MAR's decoder, of its diffusion and of the layers before them in Harmon's files."""

MAR_RELEASED = Released(lambda config: [HARMON])

UVIT_RELEASED = Released(lambda config: [JANUSFLOW])
