"""A small study: three cells of a tiny recipe, of which two share the training of tokenizer and encoder."""

from __future__ import annotations

from tiny_recipes import tiny_recipe

RECIPE = (
    tiny_recipe(
        "tiny",
        tokenizer={"reseed": 3},
        text='text = { use = "bpe", vocabulary = 300 }\nlayout = { use = "janus", system = "" }\n',
    )
    + """
[source]
draw = { use = "shapes", task = "draw" }
ask = { use = "shapes", task = "ask", questions = 1 }

[stage.tokenizer]
objective = { use = "reconstruction" }
train = ["generation.tokenizer"]
mixture = { draw = 1 }
steps = 3
batch = 4
learning_rate = 1e-3
log_every = 1

[stage.encoder]
objective = { use = "contrastive", width = 16, layers = 1, heads = 2 }
train = ["understanding.encoder"]
mixture = { draw = 1 }
steps = 3
batch = 4
learning_rate = 1e-3
log_every = 1

[stage.all]
objective = { use = "autoregressive", text_dropout = 0.5 }
train = ["backbone", "understanding", "generation.adapter", "generation.embedding", "generation.head"]
mixture = { ask = 1, draw = 1 }
steps = 3
batch = 4
learning_rate = 1e-3
log_every = 1

[training]
checkpoint_every = 1
workers = 0
"""
)

STUDY = """study = 1
base = "tiny.toml"
primary = "loss.picture"
seeds = [0, 1]

[cell.deep.generation.head]
depth = 3

[cell.other.generation.tokenizer]
latent = 5

[evaluate.shapes]
use = "shapes"
prompts = 1
pictures = 1
questions = 2
"""

CELLS = ("base", "deep", "other")


def silent(sentence: str) -> None:
    """Say nothing."""
