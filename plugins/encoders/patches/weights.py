"""The names of a patch encoder's tensors in released files."""

from janiform import KeyMap

TRANSFORMERS = KeyMap(
    {"patch_embed.{rest}": "{rest}"},
    prefix="vision_embed_tokens.",
    own=("row_embed", "column_embed"),
)
"""The names in Fuyu's directories."""
