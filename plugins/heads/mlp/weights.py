"""The names of an MLP head's tensors in released files, below the prefix given."""

from janiform import KeyMap

OFFICIAL_PREFIX = "gen_head."
OFFICIAL = KeyMap({"layers.0.{rest}": "output_mlp_projector.{rest}", "layers.2.{rest}": "vision_head.{rest}"})

TRANSFORMERS_PREFIX = "model.generation_head."
TRANSFORMERS = KeyMap({"layers.0.{rest}": "proj_out.{rest}", "layers.2.{rest}": "vision_head.{rest}"})
