"""A tiny model of the shape of BAGEL, as a recipe in TOML: two sets of weights, and latents from noise."""

from __future__ import annotations

TINY_BAGEL = """\
recipe = 1
name = "tiny-bagel"

[backbone]
use = "qwen2"
head_norm = true
routes = ["gen"]
vocabulary = 300
width = 32
inner = 48
layers = 2
heads = 2
kv_heads = 1
context = 256

[text]
use = "bpe"
vocabulary = 280
special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]

[layout]
use = "bagel"
draws_from = ["source_latents", "understanding"]

[understanding]
encoder = { use = "siglip", image_size = 16, patch_size = 8, width = 16, layers = 1, heads = 2, table_size = 24 }
adapter = { use = "mlp", activation = "gelu-tanh", positions = "waves" }

[generation]
route = "gen"
embedding = { use = "patches", frequencies = 16, positions = "waves", multiplier = 1, data_at = 0 }
adapter = { use = "identity" }
head = { use = "values", of = "velocity" }

[generation.tokenizer]
use = "kl"
image_size = 16
channels = 8
groups = 4
multipliers = [1, 2]
latent = 2
patch = 2
order = "pqc"
sampled = true

[generation.sampler]
use = "flow"
steps = 5
shift = 3
data_at = 0
guidance = 4
picture_guidance = 2
rule = "stacked"
guidance_above = 0.4
renorm = "global"

[source_latents]
mode = "look"
route = "gen"
share = "generation"

[source.draw]
use = "shapes"
task = "draw"
seed = 1

[source.edit]
use = "shapes"
task = "edit"
seed = 1
"""


def tiny_bagel(*changes: str) -> str:
    """The recipe with other settings, each ``old -> new``."""
    text = TINY_BAGEL
    for change in changes:
        old, new = change.split(" -> ")
        assert old in text, old
        text = text.replace(old, new)
    return text
