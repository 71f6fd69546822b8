"""The names of an MLP head's tensors in released files: of two layers, no more and no less."""

from janiform import KeyMap

OFFICIAL = KeyMap(
    {"layers.0.{rest}": "output_mlp_projector.{rest}", "layers.2.{rest}": "vision_head.{rest}"}, prefix="gen_head."
)
TRANSFORMERS = KeyMap(
    {"layers.0.{rest}": "proj_out.{rest}", "layers.2.{rest}": "vision_head.{rest}"}, prefix="model.generation_head."
)
