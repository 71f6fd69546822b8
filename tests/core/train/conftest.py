"""A recipe of four short stages, one of each kind, over the world of shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from janiform.recipe import Recipe, read_recipe_text
from janiform.train.progress.reporter import Reporter
from rich.console import Console
from tiny_recipes import tiny_recipe

MODEL = tiny_recipe(
    "tiny",
    tokenizer={"reseed": 3},
    text='text = { use = "bpe", vocabulary = 300 }\nlayout = { use = "janus", system = "" }\n',
)
RECIPE = (
    MODEL
    + """
[source]
draw = { use = "shapes", task = "draw" }
ask = { use = "shapes", task = "ask", questions = 1 }
read = { use = "shapes", task = "read" }

[stage.tokenizer]
objective = { use = "reconstruction" }
train = ["generation.tokenizer"]
mixture = { draw = 1 }
steps = 6
batch = 4
learning_rate = 1e-3
schedule = "cosine"
ema = 0.9
sample_every = 4
log_every = 3

[stage.encoder]
objective = { use = "contrastive", width = 16, layers = 1, heads = 2 }
train = ["understanding.encoder"]
mixture = { draw = 1 }
muon = ["understanding.encoder.blocks", "objective.text"]
steps = 4
batch = 4
learning_rate = 1e-3

[stage.text]
objective = { use = "autoregressive" }
train = ["backbone"]
mixture = { read = 1 }
steps = 4
batch = 4
learning_rate = 1e-3
precision = "bfloat16"

[stage.all]
objective = { use = "autoregressive", text_dropout = 0.5 }
train = ["backbone", "understanding", "generation.adapter", "generation.embedding", "generation.head"]
mixture = { ask = 5, read = 1, draw = 4 }
steps = 6
batch = 4
learning_rate = 1e-3
schedule = "linear"
warmup = 2
weight_decay = 0.1
sample_every = 6
log_every = 2

[training]
seed = 3
checkpoint_every = 2
"""
)


@pytest.fixture(scope="session")
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe; its text tokenizer learns from a few examples only."""
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    return read_recipe_text(RECIPE)


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Recipe]:
    """The recipe with one piece of its text replaced."""
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)

    def change(old: str, new: str) -> Recipe:
        assert old in RECIPE
        return read_recipe_text(RECIPE.replace(old, new))

    return change


class Listener(Reporter):
    """Shows nothing and keeps what was said."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def listener() -> Any:
    return Listener()


@pytest.fixture(scope="session")
def quiet() -> type[Listener]:
    return Listener
