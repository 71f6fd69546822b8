"""A tiny model whose pictures are drawn from noise, as a recipe in TOML."""

from __future__ import annotations

TINY_FLOW = """\
recipe = 1
name = "tiny-flow"
understanding = { share = "generation" }

[backbone]
use = "llama"
vocabulary = 300
width = 32
inner = 48
layers = 2
heads = 2
context = 256

[text]
use = "bpe"
vocabulary = 280

[layout]
use = "janus"
system = ""
full_pictures = true
one_position = true

[generation]
tokenizer = { use = "kl", image_size = 16, channels = 8, groups = 4, multipliers = [1, 2], latent = 2, patch = 2 }
embedding = { use = "patches", frequencies = 16, positions = "waves" }
adapter = { use = "identity" }
head = { use = "values", norm = "rms" }
sampler = { use = "flow", steps = 4, guidance = 2.0 }

[source.draw]
use = "shapes"
task = "draw"
seed = 1
"""


def tiny_flow(*changes: str) -> str:
    """The recipe with other settings, each ``old -> new``."""
    text = TINY_FLOW
    for change in changes:
        old, new = change.split(" -> ")
        assert old in text, old
        text = text.replace(old, new)
    return text


STAGE = """
[stage.pictures]
objective = { use = "autoregressive" }
train = ["backbone", "generation.embedding", "generation.head"]
mixture = { draw = 1 }
steps = 2
batch = 2
learning_rate = 1e-3

[training]
stages = ["pictures"]
"""
"""A stage of two steps, with a source `draw`."""
