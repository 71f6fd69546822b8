"""Content keys: what changes them, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from attrs import Factory, field, frozen
from janiform.ablation.keys import StageKey, digest_of
from janiform.ablation.run_keys import RunKeys
from janiform.errors import UsageError
from janiform.recipe import read_recipe_text
from janiform.recipe.write import plain_settings
from tiny_study import RECIPE

Keys = Callable[..., dict[str, StageKey]]


@pytest.fixture
def keys() -> Keys:
    def of(*overrides: str, seed: int = 0, tokenizer: str = "abc") -> dict[str, StageKey]:
        recipe = read_recipe_text(RECIPE, overrides=overrides)
        return RunKeys(recipe, tokenizer, torch.device("cpu")).of_seed(seed)

    return of


def digests(keys: dict[str, StageKey]) -> dict[str, str]:
    return {name: key.digest for name, key in keys.items()}


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("generation.head.depth = 3", {"all"}),
        ("generation.tokenizer.latent = 5", {"tokenizer", "all"}),
        ("understanding.encoder.layers = 2", {"encoder", "all"}),
        ("backbone.layers = 2", {"all"}),
        ("backbone.vocabulary = 400", {"encoder", "all"}),
        ("stage.tokenizer.steps = 4", {"tokenizer", "all"}),
        ("stage.tokenizer.learning_rate = 2e-3", {"tokenizer", "all"}),
        ("stage.encoder.objective.temperature = 11.0", {"encoder", "all"}),
        ("stage.all.mixture.ask = 2", {"all"}),
        ("source.ask.seed = 9", {"all"}),
        ("source.draw.seed = 9", {"tokenizer", "encoder", "all"}),
        ("layout.system = 'Be kind.'", {"all"}),
        ("generation.transform = 'understanding'", {"tokenizer", "encoder", "all"}),
    ],
)
def test_a_setting_changes_the_keys_of_the_stages_that_it_reaches(override: str, changed: set[str], keys: Keys) -> None:
    before, after = digests(keys()), digests(keys(override))
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    "override",
    [
        "name = 'another'",
        "training.workers = 2",
        "training.checkpoint_every = 7",
        "training.keep = 5",
        "stage.all.log_every = 2",
        "stage.all.sample_every = 1",
        "stage.all.micro_batch = 2",
        "stage.all.checkpointing = true",
    ],
)
def test_names_and_ways_of_running_change_no_key(override: str, keys: Keys) -> None:
    assert digests(keys(override)) == digests(keys())


def test_seeds_and_text_change_keys(keys: Keys) -> None:
    before = digests(keys())
    assert not set(before.values()) & set(digests(keys(seed=1)).values())
    other = digests(keys(tokenizer="def"))
    assert {name for name in before if before[name] != other[name]} == {"encoder", "all"}


def test_a_stage_that_is_left_out_leaves_the_key_of_another_part_as_it_is(keys: Keys) -> None:
    without = digests(keys("training.stages = ['encoder', 'all']"))
    assert without["encoder"] == digests(keys())["encoder"]
    assert without["all"] != digests(keys())["all"]


def test_the_order_of_the_selectors_changes_no_key(keys: Keys) -> None:
    names = ["generation.head", "generation.embedding", "generation.adapter", "understanding", "backbone"]
    assert digests(keys(f"stage.all.train = {names}")) == digests(keys())


def test_a_further_setting_with_a_default_changes_no_key() -> None:
    @frozen
    class Config:
        width: int = 8
        names: tuple[str, ...] = field(factory=tuple)
        inner: int = field(default=Factory(lambda self: 4 * self.width, takes_self=True))

    @frozen
    class Later(Config):
        positions: str = "none"

    for settings in ({}, {"width": 9}, {"names": ("a",)}, {"inner": 5}):
        earlier, later = (plain_settings(kind(**settings), defaults=False) for kind in (Config, Later))
        assert earlier == later == {name: list(v) if name == "names" else v for name, v in settings.items()}
    assert plain_settings(Later(positions="waves"), defaults=False) == {"positions": "waves"}
    assert plain_settings(Config()) == {"width": 8, "names": [], "inner": 32}


def test_keys_are_plain_json(keys: Keys) -> None:
    for key in keys().values():
        assert digest_of(json.loads(json.dumps(key.content))) == key.digest
    assert keys()["all"].trained == (
        "backbone",
        "understanding.encoder",
        "understanding.adapter",
        "generation.embedding",
        "generation.adapter",
        "generation.head",
    )


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(UsageError, match="no canonical form"):
        digest_of({"path": Path()})
