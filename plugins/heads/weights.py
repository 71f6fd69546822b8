"""The names of an MLP head's tensors in the released directories of Janus, where it has exactly two layers."""

from janiform import KeyMap

OFFICIAL = KeyMap(
    {"layers.0.{rest}": "output_mlp_projector.{rest}", "layers.2.{rest}": "vision_head.{rest}"}, prefix="gen_head."
)
TRANSFORMERS = KeyMap(
    {"layers.0.{rest}": "proj_out.{rest}", "layers.2.{rest}": "vision_head.{rest}"}, prefix="model.generation_head."
)
