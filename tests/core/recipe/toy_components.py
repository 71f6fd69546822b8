"""Components that do nothing but have settings, one of every type; and two recipes made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen, validators
from janiform import Component


@frozen
class Inner:
    size: int = 1
    names: tuple[str, ...] = ()


@frozen
class Everything:
    """One setting of each type."""

    depth: int = field(default=1, validator=validators.ge(1))
    rate: float = 0.5
    flag: bool = False
    word: str = "a"
    mode: Literal["fast", "slow"] = "fast"
    pair: tuple[int, int] = (1, 2)
    many: tuple[float, ...] = ()
    inner: Inner = field(factory=Inner)
    inners: tuple[Inner, ...] = ()
    table: dict[str, float] = field(factory=dict)
    place: Path | None = None
    either: int | str = 3


@frozen
class Small:
    depth: int = 2


@frozen
class Needs:
    width: int = field(metadata={"help": "The width."})

    def __attrs_post_init__(self) -> None:
        if self.width % 2:
            raise ValueError(f"width {self.width} is odd")


@frozen
class Roles:
    roles: tuple[str, str] = ("User", "Assistant")


def component(kind: str, name: str, config: type[Any], version: int = 1, **presets: dict[str, Any]) -> Component:
    return Component(kind, name, version, config, presets, "nowhere:Nothing", "For tests.", "toys")


COMPONENTS = (
    component("backbone", "brain", Everything, big={"depth": 9, "inner": {"size": 5}}, small={"depth": 2}),
    component("backbone", "brain", Everything, version=2),
    component("backbone", "snail", Needs, tiny={"width": 4}),
    component("text", "bpe", Small),
    component("layout", "janus", Roles),
    component("layout", "other", Small),
    component("encoder", "eye", Everything),
    component("tokenizer", "code", Small),
    component("embedding", "table", Small),
    component("adapter", "line", Small),
    component("adapter", "bend", Everything),
    component("head", "speak", Small),
    component("sampler", "autoregressive", Small),
    component("source", "toy", Small),
    component("objective", "guess", Small),
)


BASE = """\
recipe = 1
name = "base"
description = "What others extend."

[backbone]
use = "brain@1"
preset = "big"
rate = 0.25

[understanding]
encoder = { use = "eye", depth = 3, flag = true }
adapter = { use = "line" }

[generation]
tokenizer = { use = "code", depth = 4 }
adapter = { use = "line", depth = 5 }
head = { use = "speak" }
"""

TRAINED = (
    BASE
    + """
[source.draw]
use = "toy"

[source.ask]
use = "toy"
depth = 7

[stage.first]
objective = { use = "guess" }
train = ["generation.head", "*.adapter"]
mixture = { draw = 3, ask = 1 }
steps = 100
batch = 8
learning_rate = 1e-3
warmup = 10
weights = { text = 0.5 }

[stage.second]
objective = { use = "guess", depth = 1 }
train = ["backbone"]
mixture = { ask = 1 }
steps = 10
batch = 8
learning_rate = 1e-4
schedule = "cosine"
"""
)
