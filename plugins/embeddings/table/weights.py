"""The names of an embedding table in released files, below the prefix given."""

from janiform import KeyMap

OFFICIAL_PREFIX = "gen_embed."
OFFICIAL = KeyMap({"table.weight": "weight"})

TRANSFORMERS_PREFIX = "model.generation_embeddings."
TRANSFORMERS = OFFICIAL
