"""The names of an embedding table in released files."""

from janiform import KeyMap

OFFICIAL = KeyMap({"table.weight": "weight"}, prefix="gen_embed.")
TRANSFORMERS = OFFICIAL.below("model.generation_embeddings.")
