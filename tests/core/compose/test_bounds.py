"""Numbers far beyond any model are refused before anything is made of them, with the setting and the bound."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest
from attrs import field, frozen
from janiform import CompositionError, Features, Grid, Hidden, JaniformError
from janiform.components.component import Component
from janiform.compose import compose
from janiform.compose.bounds import MAX_REPEATS
from janiform.model import modules
from janiform.model.modules import build_modules
from janiform.recipe import read_recipe, read_recipe_text
from tiny_recipes import tiny_recipe
from torch import nn

BOUND = f"must be at most {MAX_REPEATS:,}, not 1000000"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": {"layers": 1_000_000}}, f"backbone.layers: {BOUND}"),
        ({"backbone": {"heads": 1_000_000, "width": 2_000_000}}, f"backbone.heads: {BOUND}"),
        ({"backbone": {"vocabulary": 10**12}}, "backbone.vocabulary: must be at most 2,147,483,647, not 1000000000000"),
        ({"encoder": {"layers": 1_000_000}}, f"understanding.encoder.layers: {BOUND}"),
        ({"backbone": {"layers": 1025}}, "backbone.layers: must be at most 1,024, not 1025"),
        ({"tokenizer": {"blocks": 1_000_000}}, "generation.tokenizer.blocks: must be <= 64: 1000000"),
        ({"tokenizer": {"blocks": 65}}, "generation.tokenizer.blocks: must be <= 64: 65"),
        (
            {"tokenizer": {"multipliers": [1] * 20_000}},
            "generation.tokenizer.multipliers: Length of 'multipliers' must be <= 16: 20000",
        ),
        ({"tokenizer": {"use": "rvq", "depth": 1_000_000}}, f"generation.tokenizer.depth: {BOUND}"),
        ({"tokenizer": {"l2": 1e300}}, "generation.tokenizer.l2: must be a finite number from -3.4e+38 to 3.4e+38"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_numbers_beyond_their_bounds(settings: dict[str, Any], message: str) -> None:
    began = time.process_time()
    with pytest.raises(JaniformError) as caught:
        compose(read_recipe_text(tiny_recipe("tiny", **settings)))
    assert message in str(caught.value)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stage.language.batch = 1_000_000_000_000", "stage.language.batch: must be <= 1048576: 1000000000000"),
        ("training.workers = 100_000_000", "training.workers: must be <= 256: 100000000"),
    ],
)
def test_numbers_of_a_training_beyond_their_bounds(override: str, message: str) -> None:
    with pytest.raises(JaniformError) as caught:
        read_recipe("janus-mini", [override])
    assert message in str(caught.value)


@pytest.mark.parametrize("replaced", ["inf", "1e300", "nan", "-0.5", "2.0"])
def test_colours_of_a_picture(replaced: str) -> None:
    for name in ("mean", "std"):
        text = tiny_recipe("tiny").replace(
            'use = "siglip"', f'use = "siglip", {name} = [{replaced}, 0.5, 0.5]'
        )  # fmt: skip
        if name == "std" and replaced == "2.0":
            continue
        with pytest.raises(JaniformError, match=rf"understanding\.encoder\.{name}"):
            compose(read_recipe_text(text))


@frozen
class OwnConfig:
    """A third party's encoder, whose settings have names of its own."""

    rounds: int = field(default=1, metadata={"help": "number of its layers"})
    tower_layers: int = field(default=1, metadata={"help": "number of other layers"})
    layers: int = field(default=0, metadata={"help": "whether its layers are made before they are registered"})
    scales: tuple[float, ...] = field(default=(), metadata={"help": "scales of its layers"})

    def features(self) -> Features:
        return Features(4, 16, Grid(2, 2))

    def transform(self) -> Any:
        raise NotImplementedError


class Own(nn.Module):
    def __init__(self, config: OwnConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Identity() for _ in range(config.rounds))
        self.others = nn.ModuleList([nn.Linear(1, 1) for _ in range(10**9 * config.layers)])


def test_parts_of_third_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe_text(tiny_recipe("tiny"))
    use = recipe.pathways["understanding"].parts["encoder"]

    def planned(**settings: Any) -> Any:
        object.__setattr__(use, "config", OwnConfig(**settings))
        return compose(recipe)

    for settings, message in (
        ({"tower_layers": 5000}, "encoder.tower_layers: must be at most 1,024, not 5000"),
        ({"scales": (1.0, float("inf"))}, "encoder.scales: must be a finite number"),
        ({"scales": (1.0,) * 5000}, "encoder.scales: must have at most 4,096 members, not 5,000"),
    ):
        with pytest.raises(CompositionError) as caught:
            planned(**settings)
        assert message in str(caught.value)
    plan = planned(rounds=300)
    monkeypatch.setattr(modules, "MAX_MODULES", 200)
    load = Component.load
    monkeypatch.setattr(Component, "load", lambda self: Own if self.name == "siglip" else load(self))
    with pytest.raises(CompositionError, match=r"siglip@1 makes more than 200 modules with these settings"):
        build_modules(plan, "meta", parts=["understanding.encoder"])
    assert len(build_modules(planned(rounds=100), "meta", parts=["understanding.encoder"])) == 1
    monkeypatch.setattr(modules, "MAX_PARAMETERS", 400)
    with pytest.raises(CompositionError, match=r"siglip@1 makes more than 400 parameters with these settings"):
        build_modules(planned(layers=1), "meta", parts=["understanding.encoder"])
    assert gc.isenabled()


def test_ports_of_third_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe_text(tiny_recipe("tiny"))
    port = Hidden(16, 300, 256, 1_000_000, 2, 8)
    monkeypatch.setattr(type(recipe.backbone.config), "hidden", lambda self: port)
    with pytest.raises(CompositionError, match="whose layers of 1,000,000 is above the bound of 1,024"):
        compose(recipe)


def test_shipped_recipes_are_within_the_bounds() -> None:
    from janiform import registry

    for name in registry().recipes():
        compose(read_recipe(name))
