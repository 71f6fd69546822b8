"""The names of an embedding table in the released directories of Janus."""

from janiform import KeyMap

OFFICIAL = KeyMap({"table.weight": "weight"}, prefix="gen_embed.")
TRANSFORMERS = OFFICIAL.below("model.generation_embeddings.")
