"""The model of a tiny recipe in TOML, to which tests append sources and stages."""

from __future__ import annotations

import json
from typing import Any

BACKBONE = {"use": "llama", "vocabulary": 300, "width": 16, "inner": 32, "layers": 1, "heads": 2, "context": 256}
ENCODER = {"use": "siglip", "image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}
TOKENIZER = {
    "use": "vq",
    "image_size": 16,
    "channels": 8,
    "groups": 4,
    "multipliers": [1, 1],
    "blocks": 1,
    "latent": 8,
    "vocabulary": 16,
    "code_width": 4,
    "attention": False,
}


def tiny_recipe(name: str, *, backbone: Any = (), encoder: Any = (), tokenizer: Any = (), text: str = "") -> str:
    """A model with adapters and a head of kind `mlp`. Settings override those of the tables above.

    An encoder or tokenizer that names another component (``use``) has no other settings than those given. ``text`` is
    inserted before the first pathway.
    """
    return f"""\
recipe = 1
name = "{name}"
backbone = {_inline(BACKBONE, backbone)}
{text}
[understanding]
encoder = {_inline(ENCODER, encoder)}
adapter = {{ use = "mlp" }}

[generation]
tokenizer = {_inline(TOKENIZER, tokenizer)}
adapter = {{ use = "mlp" }}
head = {{ use = "mlp" }}
"""


def _inline(defaults: dict[str, Any], settings: Any) -> str:
    table = dict(settings) if "use" in dict(settings) else defaults | dict(settings)
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items()) + " }"
