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

UVIT_RELEASED = Released(lambda config: [JANUSFLOW])
